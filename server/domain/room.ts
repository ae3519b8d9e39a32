import { AppError } from '../../shared/errors.ts'
import type { ByteStore } from '../byte-ports.ts'
import type { DownloadRecord, JobStore } from '../ports.ts'
import type { Downloads } from './downloads.ts'

/** Bytes that stay free beside the files: the database must be able to say that they have arrived. */
const KEEP_FREE = 4 * 1024 * 1024
/** At most so many parts give way to one file. */
const GIVE_WAY = 1000

export interface Room {
  /**
   * Refuses an attempt at a file of `size` bytes that does not fit. Parts that are kept for a retry give way first, and
   * of these the ones of downloads that ended first.
   * @throws AppError `over-quota`, `no-room`; the job stays queued with that reason
   */
  check(download: DownloadRecord, size: number): Promise<void>
}

/** @param deps `quota`: what the files of one client may take up, in bytes; undefined for as much as there is */
export function createRoom(deps: {
  jobs: JobStore
  bytes: ByteStore
  downloads: Downloads
  quota: number | undefined
}): Room {
  const { jobs, bytes, downloads, quota } = deps

  const refuse = async (
    { id, attempt, status, whole }: DownloadRecord,
    reason: 'no-room' | 'over-quota',
    detail: string,
  ): Promise<never> => {
    // Of an attempt that another version was to replace nothing more comes: the job waits, too.
    if (status === 'transferring' && !whole)
      await downloads.change({ id, from: [status], attempt, set: { status: 'queued', reason, detail } })
    else await downloads.change({ id, from: ['queued'], set: { reason, detail } })
    throw new AppError(reason, detail)
  }

  const checkQuota = async (download: DownloadRecord, size: number, allowed: number): Promise<void> => {
    const { id, clientId } = download
    if (size > allowed)
      await refuse(download, 'over-quota', `${size} bytes are more than all files of a client may have: ${allowed}.`)
    const used = await jobs.usedBytes(clientId, id)
    if (used + size <= allowed) return
    const detail = `${size} bytes do not fit into the quota of ${clientId}: ${used} of ${allowed} are used. Remove finished files of this client.`
    await refuse(download, 'over-quota', detail)
  }

  const measure = async (download: DownloadRecord, size: number) => {
    const [free, outstanding] = await Promise.all([bytes.freeBytes(), jobs.outstandingBytes(download.id)])
    // What the download holds already is used again, or is freed as soon as its new attempt has begun.
    const held = download.source === null ? 0 : download.bytesReceived
    return { free, outstanding, short: size - (free - KEEP_FREE - outstanding + held) }
  }

  /** Discards kept parts, unless that would not be enough. @returns whether there is more room now */
  const giveWay = async (short: number): Promise<boolean> => {
    const giving: DownloadRecord[] = []
    let freed = 0
    for (const kept of await jobs.keptParts(GIVE_WAY)) {
      if (freed >= short) break
      giving.push(kept)
      freed += kept.bytesReceived
    }
    if (freed < short) return false
    for (const kept of giving) await downloads.dropKept(kept)
    return true
  }

  return {
    async check(download, size) {
      if (quota !== undefined) await checkQuota(download, size, quota)
      // Nobody can say how much there is: the store says when there is no more.
      if ((await bytes.freeBytes()) === Infinity) return
      let found = await measure(download, size)
      if (found.short > 0 && (await giveWay(found.short))) found = await measure(download, size)
      if (found.short <= 0) return
      const { free, outstanding } = found
      const detail = `${size} bytes do not fit: ${free} are free, ${outstanding} of them reserved, and ${KEEP_FREE} stay free. Remove finished files or add room.`
      await refuse(download, 'no-room', detail)
    },
  }
}
