import { z } from 'zod'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import { isRefused, type Api } from './api.ts'
import { JobFailure } from './failure.ts'

/**
 * Tells the server why a job cannot be done.
 * @param attempt the one that failed, or null before the first
 * @returns whether the job is over; else it may be open still, in another attempt
 * @throws the signal's reason
 */
export async function reportFailure({
  api,
  log,
  id,
  attempt,
  failure,
  signal,
}: {
  api: Api
  log: Log
  id: string
  attempt: number | null
  failure: JobFailure
  signal: AbortSignal
}): Promise<boolean> {
  try {
    await api.call({
      what: `report the failure of the job ${id}`,
      method: 'POST',
      path: `/jobs/${encodeURIComponent(id)}/fail`,
      json: { ...(attempt === null ? {} : { attempt }), code: failure.code, detail: failure.message },
      schema: z.looseObject({ status: z.string() }),
      signal,
    })
    return true
  } catch (error) {
    if (!isRefused(error)) throw error
    // A server that was not updated yet does not know the code; the sentence tells it all the same.
    if (isRefused(error, 'invalid') && failure.code === 'hidden') {
      const known = new JobFailure('not-found', failure.message)
      return reportFailure({ api, log, id, attempt, failure: known, signal })
    }
    log.info({ id }, `the server has no use for the failure: ${printable(error.message)}`)
    return isRefused(error, 'job-gone', 'download-unknown')
  }
}
