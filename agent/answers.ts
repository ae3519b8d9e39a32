import { z } from 'zod'
import { headers } from '../shared/protocol.ts'
import { union, type Range } from '../shared/ranges.ts'
import type { Answer } from './http.ts'

/** What to do after the answer to a chunk. */
export type ChunkVerdict =
  | { act: 'durable' }
  | { act: 'damaged' }
  /** Somebody wrote there already: send what `received` leaves open. */
  | { act: 'replan'; received: Range[] }
  /** Too large: for the server when it named a limit in bytes, else for something on the way. */
  | { act: 'cut'; allowed: number | undefined }
  | { act: 'drop'; again: boolean; why: string }
  | { act: 'fail'; detail: string }
  | { act: 'retry'; afterMs: number | undefined; why: string }

const UNAUTHORIZED_MS = 60_000

const receivedSchema = z.array(z.object({ start: z.int().min(0), end: z.int().min(0) }))

const wholeSchema = z.object({ id: z.string(), status: z.enum(['verifying', 'completed']) })

/** Everything of an attempt is there. */
const everythingSchema = z.object({
  code: z.literal('job-gone'),
  attempt: z.int(),
  downloadStatus: z.enum(['verifying', 'completed']),
})

/** The ranges that an answer claims, without those that cannot be. @param size bytes of the whole file */
export function checkedRanges(ranges: unknown, size: number): Range[] {
  const parsed = receivedSchema.safeParse(ranges)
  return parsed.success ? union(parsed.data.filter(({ start, end }) => start < end && end <= size)) : []
}

/** `max-append-size` of Upload-Limit, in bytes (draft-ietf-httpbis-resumable-upload). */
export function appendLimit(header: string | string[] | undefined): number | undefined {
  const match = /(?:^|[,\s])max-append-size=(\d{1,15})(?:$|[,;\s])/.exec(String(header ?? ''))
  return match ? Number(match[1]) : undefined
}

/** Why an answer cannot be used now: its own words if it is ours, else its status. */
export function describe({ status, problem }: Answer): string {
  return problem
    ? `${problem.code}: ${problem.detail ?? problem.title}`
    : `HTTP ${status} from something that is not a Backhaul server`
}

/**
 * What an answer that asks for patience says.
 * @returns undefined when it is an answer of ours that patience will not change
 */
export function patience(answer: Answer): { afterMs: number | undefined; why: string } | undefined {
  const { status, problem, retryAfterMs } = answer
  // Another key is needed, not another try.
  if (problem?.code === 'key-revoked') return undefined
  if (status === 401 || status === 403) {
    const why = `the server does not accept this agent (HTTP ${status}${problem ? `, ${describe(answer)}` : ''})`
    return { afterMs: retryAfterMs ?? UNAUTHORIZED_MS, why }
  }
  if (problem && status >= 400 && status < 500 && status !== 408 && status !== 429) return undefined
  return { afterMs: retryAfterMs, why: describe(answer) }
}

/**
 * The table of answers to `PUT /jobs/ID/file`, from docs/PROTOCOL.md.
 * @param target.size bytes of the whole file
 */
export function judgeChunk(answer: Answer, { attempt, size }: { attempt: number; size: number }): ChunkVerdict {
  const { status, problem } = answer
  // With the download instead of nothing: it was the last chunk, and the whole is verified, or being verified, already.
  if (status === 204 || wholeSchema.safeParse(answer.json).success) return { act: 'durable' }
  if (status === 413)
    return { act: 'cut', allowed: problem && appendLimit(answer.headers[headers.uploadLimit.toLowerCase()]) }
  const wait = patience(answer)
  if (wait) return { act: 'retry', ...wait }
  if (problem?.code === 'digest-mismatch') return { act: 'damaged' }
  if (problem?.code === 'range-conflict') return { act: 'replan', received: checkedRanges(problem.received, size) }
  // Its answer was lost, and meanwhile the last chunk came: what `complete` says counts.
  if (everythingSchema.safeParse(problem).data?.attempt === attempt) return { act: 'durable' }
  const why = describe(answer)
  if (status === 410) return { act: 'drop', again: false, why }
  if (status === 409 || status === 412) return { act: 'drop', again: true, why }
  return { act: 'fail', detail: why }
}
