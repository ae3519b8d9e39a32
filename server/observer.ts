import { formatSeconds } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import type { Progress } from '../shared/progress.ts'
import { finalStatuses } from '../shared/protocol.ts'
import type { ByteStore, DownloadRecord, Observer } from './ports.ts'

/** A running download is logged at most this often, in ms. */
const LOG_EVERY = 10_000

interface Running {
  label: string
  size: number
  loggedAt: number
}

/** Tells people what happens: a bar per transfer on a terminal, a line per step in the log. */
export function createObserver({ log, progress, bytes }: { log: Log; progress: Progress; bytes: ByteStore }): Observer {
  const running = new Map<string, Running>()

  const ended = (download: DownloadRecord): void => {
    running.delete(download.id)
    progress.remove(download.id)
    const { id, clientId, status, reason, detail, sha256, verified, size, name } = download
    if (status !== 'completed') return log.warn({ id, clientId, reason, detail }, `download ${status}`)
    const seconds = formatSeconds(((download.completedAt ?? 0) - (download.startedAt ?? 0)) / 1000)
    const file = bytes.location(name ?? '')
    log.info(
      { id, clientId, size, sha256, seconds, file },
      verified ? 'download completed, SHA-256 verified: both ends agree' : 'download completed, unverified',
    )
  }

  return {
    changed(download) {
      const { id, clientId, status, path, size, attempt, bytesReceived } = download
      if (finalStatuses.includes(status)) return ended(download)
      if (status === 'queued') log.info({ id, clientId, path, reason: download.reason ?? undefined }, 'download queued')
      if (status === 'verifying') log.debug({ id, clientId }, 'download verifying')
      if (status !== 'transferring') return
      log.info({ id, clientId, path: download.sourcePath, size, attempt, bytesReceived }, 'transfer begins')
      running.set(id, {
        label: `${clientId} ${download.sourcePath ?? ''}`,
        size: size ?? 0,
        loggedAt: performance.now(),
      })
    },

    progress({ id, clientId }, bytesReceived) {
      const entry = running.get(id)
      if (!entry) return
      progress.update(id, entry.label, bytesReceived, entry.size)
      if (performance.now() - entry.loggedAt < LOG_EVERY) return
      entry.loggedAt = performance.now()
      log.info({ id, clientId, bytesReceived, size: entry.size }, 'transferring')
    },
  }
}
