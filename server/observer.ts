import { formatSeconds } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import type { Progress } from '../shared/progress.ts'
import { finalStatuses } from '../shared/protocol.ts'
import { baseName } from './domain/names.ts'
import type { ByteStore } from './byte-ports.ts'
import type { DownloadRecord, Observer } from './ports.ts'

/** A running download is logged at most this often, in ms. */
const LOG_EVERY = 10_000

/** Tells people what happens: a bar per transfer on a terminal, a line per step in the log. */
export function createObserver({ log, progress, bytes }: { log: Log; progress: Progress; bytes: ByteStore }): Observer {
  /** When each running download was last logged. */
  const loggedAt = new Map<string, number>()

  const ended = (download: DownloadRecord): void => {
    loggedAt.delete(download.id)
    progress.remove(download.id)
    const { id, clientId, status, reason, detail, sha256, verified, size, name } = download
    if (status !== 'completed') return log.warn({ id, clientId, reason, detail }, `download ${status}`)
    const seconds = formatSeconds(((download.completedAt ?? 0) - (download.startedAt ?? 0)) / 1000)
    const file = bytes.location(name ?? '')
    log.info(
      { sha256, id, clientId, size, seconds, file },
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
      loggedAt.set(id, performance.now())
    },

    begun: () => undefined,

    progress({ id, clientId, sourcePath, size, bytesReceived }) {
      progress.update(id, `${clientId} ${baseName(sourcePath ?? '')}`, bytesReceived, size ?? 0)
      if (performance.now() - (loggedAt.get(id) ?? 0) < LOG_EVERY) return
      loggedAt.set(id, performance.now())
      log.info({ id, clientId, bytesReceived, size }, 'transferring')
    },

    updated(clientId, update) {
      if (!update) return log.info({ clientId }, 'update taken back')
      const { id, version, state, detail } = update
      if (state === 'failed') log.warn({ id, clientId, version, detail }, 'update failed')
      else log.info({ id, clientId, version }, `update ${state}`)
    },
  }
}

export function bothObservers(first: Observer, second: Observer): Observer {
  return {
    changed(download) {
      first.changed(download)
      second.changed(download)
    },
    begun(download) {
      first.begun(download)
      second.begun(download)
    },
    progress(download, bytes) {
      first.progress(download, bytes)
      second.progress(download, bytes)
    },
    updated(clientId, update) {
      first.updated(clientId, update)
      second.updated(clientId, update)
    },
  }
}
