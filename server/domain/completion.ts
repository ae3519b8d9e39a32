import type { Sha256 } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import type { CompleteRequest } from '../../shared/protocol.ts'
import { missing } from '../../shared/ranges.ts'
import type { Clock, DownloadRecord, JobStore } from '../ports.ts'
import type { Downloads } from './downloads.ts'
import { checkOpen, checkUnderWay, findClaimed, findForSession } from './guards.ts'
import { finalNames } from './names.ts'
import { downloadTopic } from './topics.ts'
import type { Verifier } from './verifier.ts'
import type { Waiting } from './waiting.ts'

/** How long an answer may wait for the verification, in ms, before it says "ask again". */
const ANSWER_WITHIN = 10_000

export interface Completion {
  /**
   * Verifies the attempt and waits for the outcome. Repeatable: a lost answer is answered the same.
   * @returns the download: `completed`, or still `verifying`
   * @throws AppError `incomplete` with `missing`, `attempt-superseded` when the verification asks for a new attempt, `job-gone`
   */
  complete(id: string, session: string, request: CompleteRequest, signal: AbortSignal): Promise<DownloadRecord>
  /** The same for an attempt whose digest may not be known. */
  completeAttempt(
    download: DownloadRecord,
    sha256: Sha256 | null,
    session: string | undefined,
    signal: AbortSignal,
  ): Promise<DownloadRecord>
}

/** Whether everything was there already when the same end was asked for before. */
export function wasAsked(
  download: DownloadRecord,
  { attempt, sha256 }: Pick<CompleteRequest, 'attempt' | 'sha256'>,
): boolean {
  const entered = download.status === 'verifying' || download.status === 'completed'
  return entered && download.attempt === attempt && download.sha256 === sha256
}

/** The end of an attempt: everything there → verifying → completed. */
export function createCompletion(deps: {
  jobs: JobStore
  downloads: Downloads
  verifier: Verifier
  waiting: Waiting
  clock: Clock
}): Completion {
  const { jobs, downloads, verifier, waiting, clock } = deps

  /** One conditional update that also claims the final name. */
  const enterVerifying = async (
    download: DownloadRecord,
    sha256: Sha256 | null,
    session: string | undefined,
  ): Promise<boolean> => {
    const { id, attempt } = download
    const names = download.name === null ? finalNames(download, clock.now()) : [download.name]
    for (const name of names) {
      try {
        const set = { status: 'verifying', sha256, name } as const
        return (await downloads.change({ id, from: ['transferring'], attempt, session, set })) !== undefined
      } catch (error) {
        if (!isAppError(error, 'name-taken')) throw error
      }
    }
    throw new Error(`no free name for ${id}`)
  }

  const outcome = async (id: string, attempt: number, signal: AbortSignal): Promise<DownloadRecord> => {
    const read = async (): Promise<DownloadRecord | undefined> => {
      const download = await downloads.find(id)
      return download.status === 'verifying' ? undefined : download
    }
    const download =
      (await waiting.until([downloadTopic(id)], read, { ms: ANSWER_WITHIN, signal })) ?? (await downloads.find(id))
    if (download.status === 'completed' || download.status === 'verifying') return download
    checkOpen(download)
    throw new AppError(
      'attempt-superseded',
      `Attempt ${attempt} did not verify: ${download.detail ?? 'it was discarded'} Poll for the next.`,
      {
        attempt: download.attempt,
      },
    )
  }

  const completeAttempt: Completion['completeAttempt'] = async (download, sha256, session, signal) => {
    const { id, attempt } = download
    const holes = missing(await jobs.received(id, attempt), download.size ?? 0)
    if (holes.length > 0) {
      // Cancelled meanwhile, its rows are gone: that is told, and not that anything is missing.
      checkUnderWay(await findForSession({ jobs }, id, session), attempt)
      throw new AppError(
        'incomplete',
        `Not everything is here: send what is missing (${holes.length}), then complete again.`,
        {
          missing: holes,
        },
      )
    }
    if (!(await enterVerifying(download, sha256, session))) {
      const now = await findForSession({ jobs }, id, session)
      if (now.status !== 'verifying' && now.status !== 'completed') checkUnderWay(now, attempt)
    }
    void verifier.finish(id)
    return outcome(id, attempt, signal)
  }

  return {
    completeAttempt,

    async complete(id, session, { attempt, size, sha256 }, signal) {
      const before = await findForSession({ jobs }, id, session)
      if (wasAsked(before, { attempt, sha256 })) return outcome(id, attempt, signal)
      const download = await findClaimed({ jobs }, id, { session, attempt })
      if (size !== download.size) {
        throw new AppError('source-changed', `complete says a size of ${size}; this attempt has ${download.size}.`, {
          field: 'size',
        })
      }
      return completeAttempt(download, sha256, session, signal)
    },
  }
}
