import { AppError } from '../../shared/errors.ts'
import { openStatuses, type BeginRequest, type Status } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, Part } from '../byte-ports.ts'
import {
  PerhapsDone,
  type Clock,
  type DownloadRecord,
  type JobStore,
  type Observer,
  type Transition,
} from '../ports.ts'
import type { Announced } from './announced.ts'
import { NO_BYTES, type Downloads } from './downloads.ts'
import { findClaimed } from './guards.ts'
import type { Room } from './room.ts'

/** A source to begin with; a `whole` one comes in one request and cannot be resumed. */
export type Beginning = BeginRequest & { whole?: boolean }

export interface Attempts {
  /**
   * Opens the source's version for an attempt and answers what is here already. Idempotent.
   * @throws AppError `source-changed`, `no-room`, `over-quota`, `job-gone`, `session-superseded`
   */
  begin(id: string, session: string, request: BeginRequest): Promise<{ download: DownloadRecord; received: Range[] }>
  /**
   * Makes a new attempt for a source, whatever there was before.
   * @returns undefined when the job changed meanwhile
   */
  start(download: DownloadRecord, request: Beginning, session?: string): Promise<DownloadRecord | undefined>
  /** Gives up an attempt's bytes; the job is queued for another. @returns whether it was still the one under way */
  abandon(part: Part, reason: 'damaged' | 'io-error' | 'store-full', detail: string, only?: Only): Promise<boolean>
}

const underWay: readonly Status[] = ['transferring', 'verifying']

/** `from`: the statuses in which an attempt is given up, unless both; `mismatches`: what is counted with it. */
export type Only = Pick<Partial<Transition>, 'from'> & Pick<Transition['set'], 'mismatches'>

/** Attempts: one try at assembling a job's bytes each, with a part of its own. */
export function createAttempts(deps: {
  jobs: JobStore
  bytes: ByteStore
  downloads: Downloads
  room: Room
  announced: Announced
  observer: Observer
  clock: Clock
}): Attempts {
  const { jobs, bytes, downloads, room, announced, observer, clock } = deps
  let before: Promise<unknown> = Promise.resolve()

  /** The row of a part that was just made; where it cannot be written, the part goes, too. */
  const reserve = async (attempt: number, row: Transition): Promise<DownloadRecord | undefined> => {
    // One that stays is swept.
    const giveBack = (): Promise<void> => bytes.removePart({ id: row.id, attempt }).catch(() => undefined)
    try {
      const started = await downloads.change(row)
      if (!started) await giveBack()
      return started
    } catch (error) {
      // Another server may find the row, and take chunks for it.
      if (!(error instanceof PerhapsDone)) await giveBack()
      throw error
    }
  }

  const startNow = async (
    download: DownloadRecord,
    request: Beginning,
    session?: string,
  ): Promise<DownloadRecord | undefined> => {
    await room.check(download, request.size)
    // The part first, then the row: a row never promises a part that a crash kept from being made.
    let attempt = download.attempt + 1
    while (!(await bytes.createPart({ id: download.id, attempt }, request.size))) attempt += 1
    const started = await reserve(attempt, {
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
    if (started && download.startedAt === null) observer.begun(started)
    if (!started || download.attempt === 0) return started
    // The new attempt stands, whatever becomes of the old one's bytes: what stays is swept.
    await downloads.discardPart(download.id, download.attempt).catch(() => undefined)
    return started
  }

  // One after the other, so that the room found free is still free when it is reserved.
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = before.then(work)
    before = done.catch(() => undefined)
    return done
  }

  const start: Attempts['start'] = (download, request, session) => inTurn(() => startNow(download, request, session))

  const resume = (download: DownloadRecord, session: string): Promise<DownloadRecord | undefined> =>
    inTurn(async () => {
      await room.check(download, download.size ?? 0)
      const { id, attempt } = download
      const set = { status: 'transferring', reason: null, detail: null } as const
      return downloads.change({ id, from: openStatuses, attempt, session, set })
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
        if (!download) continue
        // The source is read anew, and not every version tells of rewritten bytes.
        announced.forget(download)
        return { download, received: await jobs.received(id, download.attempt) }
      }
      throw new AppError('attempt-superseded', `The job ${id} keeps changing; poll for it again.`)
    },

    async abandon({ id, attempt }, reason, detail, { from = underWay, ...counted } = {}) {
      const set = { status: 'queued', reason, detail, sha256: null, ...NO_BYTES, ...counted } as const
      const abandoned = await downloads.change({ id, from, attempt, set })
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
