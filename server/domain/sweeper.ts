import type { ByteStore, Part } from '../byte-ports.ts'
import type { EventStore } from '../event-ports.ts'
import type { Clock, DownloadRecord, JobStore, Leases } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import type { Downloads } from './downloads.ts'
import type { Later } from './later.ts'
import { partKey } from './part-key.ts'
import type { Verifier } from './verifier.ts'
import { uploadLease, type WholeUploads } from './whole.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** A failed or expired download's part is kept this long for a retry. */
const KEEP_PART = 24 * HOUR
const KEEP_IDEMPOTENCY_KEY = 7 * 24 * HOUR
const KEEP_EVENTS = 30 * 24 * HOUR
const PER_STEP = 100
/** Rows that are deleted in one transaction. */
const EVENTS_PER_STEP = 1000

export interface Sweeper {
  /**
   * Repairs what a crash left, before the first request is taken: parts, rows and verifications under way. Where other
   * servers are at work with these, what nobody works on is found while serving.
   */
  recover(): Promise<void>
  /** Expires what is due. */
  expire(): Promise<void>
  /** Goes on with what could not be finished: verifications, and attempts to be given up. */
  goOn(): Promise<void>
  /** Removes parts that nobody needs any more. */
  removeLeftovers(): Promise<void>
  /** Removes finished files that are older than they are kept, and goes on with removals that were cut off. */
  removeContent(): Promise<void>
  /** Forgets what is no longer asked for: idempotency keys, digests of attempts that have ended. */
  forget(): Promise<void>
  /** Forgets events that are older than they are kept. */
  forgetEvents(): Promise<void>
}

export function createSweeper(deps: {
  jobs: JobStore
  events: EventStore
  bytes: ByteStore
  downloads: Downloads
  attempts: Attempts
  verifier: Verifier
  later: Later
  whole: Pick<WholeUploads, 'receives'>
  leases: Leases
  /** Whether other servers use the stores, too. */
  shared: boolean
  clock: Clock
  /** How long finished files are kept, in ms; undefined for ever. */
  retention: number | undefined
  report: (error: unknown, what: string, id: string) => void
}): Sweeper {
  const { jobs, events, bytes, downloads, attempts, verifier, later, whole, leases, shared, clock, retention, report } =
    deps

  let serving = shared
  /** Uploads in one request that nobody had at the last look: a second one is sure of it. */
  let orphans = new Set<string>()

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
    if (!download || download.status === 'completed' || download.status === 'cancelled') return false
    const ended = download.status === 'failed' || download.status === 'expired'
    if (ended && clock.now() - (download.completedAt ?? 0) >= KEEP_PART) return false
    // A part is made before its row; while serving, a higher number is an attempt that is just beginning.
    if (serving && attempt > download.attempt) return true
    return download.attempt === attempt && download.source !== null
  }

  const removeLeftover = async (part: Part, download: DownloadRecord | undefined): Promise<void> => {
    // Cancelled between the link and its row: the name goes, too.
    if (download?.status === 'cancelled' && download.name !== null) await bytes.unpublish(part, download.name)
    const last = download?.attempt === part.attempt
    if (last && (download.status === 'failed' || download.status === 'expired')) await downloads.dropKept(part)
    // Its rows are still needed by those who read it since before it was whole.
    else if (last && download.status === 'completed') await bytes.removePart(part)
    else await downloads.discardPart(part.id, part.attempt)
  }

  /** Of several servers, one is enough to look through everything; it stays the same as long as it lives. */
  const isMine = (): Promise<boolean> => leases.hold('sweep')

  const abandonOrphans = async (): Promise<void> => {
    const before = orphans
    orphans = new Set()
    for (const download of await jobs.wholeUploads(PER_STEP)) {
      // A lease that is this server's own already tells nothing.
      if (whole.receives(download) || !(await leases.hold(uploadLease(download)))) continue
      await leases.release(uploadLease(download))
      if (before.has(partKey(download))) await attempts.abandon(download, 'io-error', 'The upload was cut off.')
      else orphans.add(partKey(download))
    }
  }

  const removeLeftovers = async (): Promise<void> => {
    for (const part of await bytes.listParts()) {
      const download = await jobs.findDownload(part.id)
      if (wanted(part.attempt, download)) continue
      // One that cannot be removed harms nobody, and must keep neither the others nor a start.
      await removeLeftover(part, download).catch((error: unknown) =>
        report(error, 'a part that nobody needs cannot be removed yet; it is tried again', part.id),
      )
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

  /** @returns whether it is gone: one that cannot be removed must not keep the others */
  const removeFile = async (id: string): Promise<boolean> => {
    try {
      await downloads.removeContent(id)
      return true
    } catch (error) {
      report(error, 'a finished file cannot be removed yet; it is tried again', id)
      return false
    }
  }

  return {
    async recover() {
      if (shared) return
      await eachWith('transferring', checkPart)
      await removeLeftovers()
      await verifyLeft()
      serving = true
    },

    async expire() {
      for (const id of await jobs.expired(clock.now(), PER_STEP)) await downloads.expire(id)
    },

    async goOn() {
      await later.again()
      await verifyLeft()
      if (shared && (await isMine())) await abandonOrphans()
    },

    async removeLeftovers() {
      if (await isMine()) await removeLeftovers()
    },

    async removeContent() {
      if (!(await isMine())) return
      const before = retention === undefined ? 0 : clock.now() - retention
      for (let removed = 1; removed > 0;) {
        removed = 0
        for (const id of await jobs.contentToRemove(before, PER_STEP)) if (await removeFile(id)) removed += 1
      }
    },

    async forget() {
      await verifier.forgetEnded()
      await jobs.forgetIdempotencyKeys(clock.now() - KEEP_IDEMPOTENCY_KEY)
    },

    async forgetEvents() {
      const before = clock.now() - KEEP_EVENTS
      while ((await isMine()) && (await events.forget(before, EVENTS_PER_STEP)) === EVENTS_PER_STEP);
    },
  }
}
