import type { ByteStore, Clock, DownloadRecord, JobStore } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import { NO_BYTES, type Downloads } from './downloads.ts'
import type { Verifier } from './verifier.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** A failed or expired download's part is kept this long for a retry. */
const KEEP_PART = 24 * HOUR
const KEEP_IDEMPOTENCY_KEY = 7 * 24 * HOUR
const EXPIRED_PER_STEP = 100

export interface Sweeper {
  /** Repairs what a crash left, before the first request is taken: parts, rows and verifications under way. */
  recover(): Promise<void>
  /** Expires what is due. */
  expire(): Promise<void>
  /** Goes on with verifications that could not be finished. */
  verifyLeft(): Promise<void>
  /** Removes what nobody needs any more. */
  tidy(): Promise<void>
}

export function createSweeper(deps: {
  jobs: JobStore
  bytes: ByteStore
  downloads: Downloads
  attempts: Attempts
  verifier: Verifier
  clock: Clock
}): Sweeper {
  const { jobs, bytes, downloads, attempts, verifier, clock } = deps

  let serving = false

  /** A row promises bytes; a part that is missing or shorter than its rows means a new attempt. */
  const checkPart = async (download: DownloadRecord): Promise<void> => {
    if (download.whole) {
      await attempts.abandon(download, 'io-error', 'The upload was cut off.')
      return
    }
    const received = await jobs.received(download.id, download.attempt)
    const size = await bytes.partSize(download)
    if (size !== undefined && size >= (received.at(-1)?.end ?? 0)) return
    await attempts.abandon(download, 'io-error', 'The store lost bytes of this attempt.')
  }

  const wanted = (attempt: number, download: DownloadRecord | undefined): boolean => {
    // A part is made before its row; while serving, a higher number is an attempt that is just beginning.
    if (serving && download && attempt > download.attempt) return true
    if (!download || download.attempt !== attempt || download.source === null) return false
    if (download.status === 'completed' || download.status === 'cancelled') return false
    const ended = download.status === 'failed' || download.status === 'expired'
    return !ended || clock.now() - (download.completedAt ?? 0) < KEEP_PART
  }

  const removeLeftovers = async (): Promise<void> => {
    for (const part of await bytes.listParts()) {
      const download = await jobs.findDownload(part.id)
      if (wanted(part.attempt, download)) continue
      // Cancelled between the link and its row: the name goes, too.
      if (download?.status === 'cancelled' && download.name !== null) await bytes.unpublish(part, download.name)
      await jobs.transition({
        id: part.id,
        from: ['failed', 'expired'],
        attempt: part.attempt,
        set: NO_BYTES,
      })
      await downloads.discardPart(part.id, part.attempt)
    }
  }

  const eachWith = async (
    status: DownloadRecord['status'],
    work: (download: DownloadRecord) => Promise<void>,
  ): Promise<void> => {
    let before: number | undefined
    for (;;) {
      const page = await jobs.listDownloads({ status: [status], before, limit: 100 })
      for (const download of page) await work(download)
      before = page.at(-1)?.seq
      if (before === undefined) return
    }
  }

  const verifyLeft = (): Promise<void> => eachWith('verifying', async ({ id }) => void verifier.finish(id))

  return {
    async recover() {
      await eachWith('transferring', checkPart)
      await removeLeftovers()
      await verifyLeft()
      serving = true
    },

    async expire() {
      for (const id of await jobs.expired(clock.now(), EXPIRED_PER_STEP)) await downloads.expire(id)
    },

    verifyLeft,

    async tidy() {
      await removeLeftovers()
      await verifier.forgetEnded()
      await jobs.forgetIdempotencyKeys(clock.now() - KEEP_IDEMPOTENCY_KEY)
    },
  }
}
