import { z } from 'zod'
import { headers, visiblePattern, type Problem, type Session } from '../shared/protocol.ts'
import { describe, patience } from './answers.ts'
import type { Answer, Http, HttpRequest } from './http.ts'
import { TransientError, type Retry } from './retry.ts'

/** An answer of ours that will not change by asking again: a problem, by its `code`. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly problem: Problem
  readonly retryAfterMs: number | undefined

  constructor(problem: Problem, retryAfterMs: number | undefined) {
    super(`${problem.code}: ${problem.detail ?? problem.title}`)
    this.problem = problem
    this.retryAfterMs = retryAfterMs
  }
}

/** Whether `error` is a refusal, with one of `codes` when any are given. */
export function isRefused(error: unknown, ...codes: string[]): error is Refused {
  return error instanceof Refused && (codes.length === 0 || codes.includes(error.problem.code))
}

/** A file that does not fit at present: no reason to give up, but for the job to decide about. */
export const noRoomCodes = ['no-room', 'over-quota'] as const

/** Why a session is no longer the one to work with. */
export const sessionCodes = ['session-superseded', 'session-unknown', 'session-required', 'unauthenticated'] as const

export interface Call<T> {
  what: string
  method: 'GET' | 'POST'
  path: string
  json?: unknown
  headers?: Record<string, string>
  schema: z.ZodType<T>
  signal: AbortSignal
  limitMs?: number
}

export interface Reply<T> {
  status: number
  value: T
  retryAfterMs: number | undefined
}

/** Requests within one session. */
export interface Api {
  /**
   * Asks until there is an answer of ours.
   * @throws Refused, the signal's reason
   */
  call<T>(call: Call<T>): Promise<Reply<T>>
  /** Asks once. @throws Refused, TransientError, the signal's reason */
  once<T>(call: Call<T>): Promise<Reply<T>>
  /** Sends once, without judging the answer, but for the end of the session. @throws TransientError, the signal's reason */
  send(request: HttpRequest): Promise<Answer>
  /** Opens connections that will be needed in a moment. */
  warm(count: number): void
}

const LIMIT_MS = 60_000
const IDLE_MS = 20_000

/** @throws Refused, TransientError */
export function interpret<T>(answer: Answer, schema: z.ZodType<T>): Reply<T> {
  if (answer.status >= 200 && answer.status < 300) {
    const parsed = schema.safeParse(answer.json)
    if (parsed.success) return { status: answer.status, value: parsed.data, retryAfterMs: answer.retryAfterMs }
    throw new TransientError(
      `HTTP ${answer.status} without the answer that belongs to it; is that a Backhaul server?`,
      {
        retryAfterMs: answer.retryAfterMs,
        status: answer.status,
      },
    )
  }
  const wait = patience(answer)
  const refused = answer.problem && new Refused(answer.problem, answer.retryAfterMs)
  if (refused && (!wait || isRefused(refused, ...noRoomCodes))) throw refused
  throw new TransientError(wait?.why ?? describe(answer), { retryAfterMs: wait?.afterMs, status: answer.status })
}

/** @param onSessionEnd called when an answer says that the session is over */
export function createApi({
  http,
  retry,
  session,
  onSessionEnd,
}: {
  http: Http
  retry: Retry
  session: Pick<Session, 'session' | 'token'>
  onSessionEnd: (code: string) => void
}): Api {
  let { token } = session

  const send = async (request: HttpRequest): Promise<Answer> => {
    const own = { [headers.session]: session.session, ...(token === undefined ? {} : bearer(token)) }
    const answer = await http.request({ ...request, headers: { ...own, ...request.headers } })
    token = renewed(answer) ?? token
    const code = answer.problem?.code
    if (code !== undefined && sessionCodes.some((known) => known === code)) onSessionEnd(code)
    return answer
  }

  const once = async <T>({
    method,
    path,
    json,
    headers: extra,
    schema,
    signal,
    limitMs,
  }: Call<T>): Promise<Reply<T>> => {
    const answer = await send({
      method,
      path,
      signal,
      limitMs: limitMs ?? LIMIT_MS,
      ...(limitMs === undefined ? { idleMs: IDLE_MS } : {}),
      ...(json === undefined ? {} : { json }),
      ...(extra === undefined ? {} : { headers: extra }),
    })
    return interpret(answer, schema)
  }

  return {
    send,
    once,
    warm: http.warm,
    call: (call) => retry.persist(() => once(call), { what: call.what, signal: call.signal, urgent: () => true }),
  }
}

/** @returns the headers that tell who calls (RFC 6750) */
export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

/** A server gives another token while the one before still holds. */
function renewed(answer: Answer): string | undefined {
  const token = answer.headers[headers.sessionToken.toLowerCase()]
  return typeof token === 'string' && visiblePattern.test(token) ? token : undefined
}
