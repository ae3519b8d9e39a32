import { algorithmOf } from '../../shared/digest.ts'
import { AppError, type ErrorDetails } from '../../shared/errors.ts'
import { openStatuses } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import type { Chunk, CommitState, DownloadRecord, JobStore } from '../ports.ts'

/** What an agent says it works on. */
export interface Claim {
  session: string
  attempt?: number | undefined
}

/** The rising number in `n.nonce`; 0 for none. */
export function sessionNumber(session: string | null): number {
  return Number(/^(\d{1,15})\./.exec(session ?? '')?.[1] ?? 0)
}

/**
 * Whether the session is the client's newest. The number tells an older one from one of a lost database.
 * @throws AppError `session-superseded` (for ever) or `session-unknown` (begin a new one)
 */
export function checkSession(newest: string | null, given: string): void {
  if (newest === given) return
  if (sessionNumber(given) > sessionNumber(newest)) {
    throw new AppError('session-unknown', 'This server does not know the session; begin a new one with POST /sessions.')
  }
  throw new AppError('session-superseded', 'A newer session of this client has taken over.')
}

/** @throws AppError `job-gone` with the reason, unless the job is open */
export function checkOpen(download: DownloadRecord): void {
  if (openStatuses.includes(download.status)) return
  const reason = download.reason ?? download.status
  throw new AppError('job-gone', `The job ${download.id} is ${download.status}; drop it.`, {
    reason,
    downloadStatus: download.status,
    attempt: download.attempt,
  })
}

/** @throws AppError `attempt-superseded` unless `attempt` is the one under way */
export function checkAttempt(download: DownloadRecord, attempt: number): void {
  if (download.status === 'transferring' && download.attempt === attempt) return
  throw new AppError(
    'attempt-superseded',
    `Attempt ${attempt} of ${download.id} is not the one under way; poll for the job again.`,
    {
      attempt: download.attempt,
    },
  )
}

/** @throws AppError `job-gone`, `attempt-superseded` unless `attempt` of the open job is under way */
export function checkUnderWay(download: DownloadRecord, attempt: number): void {
  checkOpen(download)
  checkAttempt(download, attempt)
}

/**
 * Finds a download whose caller must hold the client's newest session.
 * @param session none, and nothing is checked of it: an agent of curl has none
 * @throws AppError `download-unknown` and those of checkSession
 */
export async function findForSession(
  { jobs }: { jobs: JobStore },
  id: string,
  session: string | undefined,
): Promise<DownloadRecord> {
  const download = await jobs.findDownload(id)
  if (!download) throw unknownDownload(id)
  if (session === undefined) return download
  const client = await jobs.findClient(download.clientId)
  checkSession(client?.session ?? null, session)
  return download
}

/**
 * Finds the job of a claim, checked in the protocol's order: session, job, attempt.
 * @throws AppError `download-unknown` and those of the checks
 */
export async function findClaimed(deps: { jobs: JobStore }, id: string, claim: Claim): Promise<DownloadRecord> {
  const download = await findForSession(deps, id, claim.session)
  checkOpen(download)
  if (claim.attempt !== undefined) checkAttempt(download, claim.attempt)
  return download
}

/**
 * What a chunk means to the durable rows it shares bytes with.
 * @throws AppError `source-changed` when the same range holds other bytes, `range-conflict` on any other overlap
 */
export function judgeOverlap(chunk: Range & { digest: string }, overlapping: readonly Chunk[]): 'insert' | 'replay' {
  const [first] = overlapping
  if (!first) return 'insert'
  const same = overlapping.length === 1 && first.start === chunk.start && first.end === chunk.end
  // Digests of two algorithms cannot be compared: what is here stays, and the agent plans again.
  if (!same || algorithmOf(first.digest) !== algorithmOf(chunk.digest)) {
    throw new AppError(
      'range-conflict',
      'The range overlaps bytes that are here already; plan again from what is received.',
    )
  }
  if (first.digest === chunk.digest) return 'replay'
  throw new AppError(
    'source-changed',
    `Bytes ${chunk.start} to ${chunk.end - 1} were sent before with another content; the source has changed.`,
  )
}

/**
 * What a chunk means to the rows at the moment of its commit, under the transaction's lock.
 * @throws AppError of checkSession, checkUnderWay and judgeOverlap
 */
export function judgeCommit(
  chunk: Chunk,
  { download, session, overlapping }: CommitState,
  claim: { session: string; attempt: number },
): 'insert' | 'replay' {
  checkSession(session, claim.session)
  if (download) checkUnderWay(download, claim.attempt)
  return judgeOverlap(chunk, overlapping)
}

export function unknownDownload(id: string): AppError {
  return new AppError('download-unknown', `There is no download "${id.slice(0, 64)}"; GET /downloads lists them.`)
}

export function unknownClient(ids: string, details: ErrorDetails = {}): AppError {
  const detail = `No agent has ever called as ${ids}; GET /clients?status=all lists the known ones.`
  return new AppError('client-unknown', detail, details)
}
