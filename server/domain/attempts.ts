import { AppError } from '../../shared/errors.ts'
import { openStatuses, type BeginRequest } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, Clock, DownloadRecord, JobStore } from '../ports.ts'
import { NO_BYTES, type Downloads } from './downloads.ts'
import { findClaimed } from './guards.ts'

/** A source to begin with; a `whole` one comes in one request and cannot be resumed. */
export type Beginning = BeginRequest & { whole?: boolean }

export interface Attempts {
  /**
   * Opens the source's version for an attempt and answers what is here already. Idempotent.
   * @throws AppError `source-changed`, `no-room`, `job-gone`, `session-superseded`
   */
  begin(id: string, session: string, request: BeginRequest): Promise<{ download: DownloadRecord; received: Range[] }>
  /**
   * Makes a new attempt for a source, whatever there was before.
   * @returns undefined when the job changed meanwhile
   */
  start(download: DownloadRecord, request: Beginning, session?: string): Promise<DownloadRecord | undefined>
  /** Gives up an attempt's bytes; the job is queued for another. @returns whether it was still the one under way */
  abandon(part: { id: string; attempt: number }, reason: 'damaged' | 'io-error', detail: string): Promise<boolean>
}

/** Attempts: one try at assembling a job's bytes each, with a part of its own. */
export function createAttempts(deps: {
  jobs: JobStore
  bytes: ByteStore
  downloads: Downloads
  clock: Clock
}): Attempts {
  const { jobs, bytes, downloads, clock } = deps
  let starting: Promise<unknown> = Promise.resolve()

  const checkRoom = async (download: DownloadRecord, size: number): Promise<void> => {
    const [free, outstanding] = await Promise.all([bytes.freeBytes(), jobs.outstandingBytes(download.id)])
    // What an attempt before holds is freed as soon as this one has begun.
    const held = download.source === null ? 0 : download.bytesReceived
    if (size <= free - outstanding + held) return
    await downloads.change({
      id: download.id,
      from: ['queued'],
      set: { reason: 'no-room', detail: `${size} bytes wanted` },
    })
    throw new AppError(
      'no-room',
      `${size} bytes do not fit: ${free} are free and ${outstanding} of them reserved. Remove finished files or add room.`,
    )
  }

  const startNow = async (
    download: DownloadRecord,
    request: Beginning,
    session?: string,
  ): Promise<DownloadRecord | undefined> => {
    await checkRoom(download, request.size)
    // The part first, then the row: a row never promises a part that a crash kept from being made.
    let attempt = download.attempt + 1
    while (!(await bytes.createPart({ id: download.id, attempt }, request.size))) attempt += 1
    const started = await downloads.change({
      id: download.id,
      from: openStatuses,
      attempt: download.attempt,
      session,
      set: {
        status: 'transferring',
        reason: null,
        detail: null,
        attempt,
        source: request.source,
        whole: request.whole ?? false,
        size: request.size,
        bytesReceived: 0,
        sha256: null,
        sourcePath: request.path ?? download.path,
        sourceModified: request.modified ? Date.parse(request.modified) : null,
        startedAt: download.startedAt ?? clock.now(),
      },
    })
    if (!started) await bytes.removePart({ id: download.id, attempt })
    else if (download.attempt > 0) await downloads.discardPart(download.id, download.attempt)
    return started
  }

  // One after the other, so that the room found free is still free when it is reserved.
  const start: Attempts['start'] = (download, request, session) => {
    const started = starting.then(() => startNow(download, request, session))
    starting = started.catch(() => undefined)
    return started
  }

  const resume = async (download: DownloadRecord, session: string): Promise<DownloadRecord | undefined> =>
    downloads.change({
      id: download.id,
      from: openStatuses,
      attempt: download.attempt,
      session,
      set: { status: 'transferring', reason: null, detail: null },
    })

  const failChanged = async (download: DownloadRecord, session: string): Promise<never> => {
    const detail = 'The file changed at the site since the transfer began. Ask again, or with the policy restart.'
    const { id, attempt } = download
    await downloads.failAndDiscard(id, { from: openStatuses, attempt, session, reason: 'changed', detail })
    throw new AppError('source-changed', detail)
  }

  const beginOnce = async (id: string, session: string, request: BeginRequest): Promise<DownloadRecord | undefined> => {
    const download = await findClaimed({ jobs }, id, { session })
    if (download.source === null || download.whole) return start(download, request, session)
    if (sameVersion(download, request)) return download.status === 'transferring' ? download : resume(download, session)
    // A retry asks for the file as it is now; the policy says what an attempt under way does.
    if (download.status === 'queued' || download.policy === 'restart') return start(download, request, session)
    return failChanged(download, session)
  }

  return {
    start,

    async begin(id, session, request) {
      // Undefined: somebody was faster; what they did is seen by reading again.
      for (let tries = 0; tries < 5; tries += 1) {
        const download = await beginOnce(id, session, request)
        if (download) return { download, received: await jobs.received(id, download.attempt) }
      }
      throw new AppError('attempt-superseded', `The job ${id} keeps changing; poll for it again.`)
    },

    async abandon({ id, attempt }, reason, detail) {
      const abandoned = await downloads.change({
        id,
        from: ['transferring', 'verifying'],
        attempt,
        set: { status: 'queued', reason, detail, sha256: null, ...NO_BYTES },
      })
      if (abandoned) await downloads.discardPart(id, attempt)
      return abandoned !== undefined
    },
  }
}

/** Under the policy `prefix` the size at the first begin counts, and the file may have grown since. */
function sameVersion(download: DownloadRecord, request: BeginRequest): boolean {
  if (download.source !== request.source) return false
  const size = download.size ?? 0
  return download.policy === 'prefix' ? request.size >= size : request.size === size
}
