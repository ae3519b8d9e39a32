import type { Problem } from '../../../shared/protocol.ts'

/** The server has refused: `code` says for what, the message says it in words. */
export class Refused extends Error {
  readonly code: string
  readonly status: number

  constructor({ code, status, title, detail }: Problem) {
    super(detail ?? title)
    this.code = code
    this.status = status
  }
}

/** No answer of ours came: the server is gone, or what stands before it has none to pass on. */
export class Unreachable extends Error {}

export interface Call {
  method?: 'GET' | 'POST' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
}

/**
 * Calls the server.
 * @throws Refused, Unreachable
 */
export async function call<T>(path: string, { method = 'GET', body, headers = {} }: Call = {}): Promise<T> {
  const response = await reached(path, {
    method,
    headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (response.status === 204) return undefined as T
  const answer: unknown = await response.json().catch((error: unknown) => {
    throw new Unreachable('no answer of the server', { cause: error })
  })
  if (response.ok) return answer as T
  throw isProblem(answer) ? new Refused(answer) : new Unreachable('no answer of the server')
}

/** A path with what is given of a query. */
export function withQuery(path: string, query: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '')
  if (given.length === 0) return path
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}`
}

async function reached(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(30_000) })
  } catch (error) {
    throw new Unreachable('no answer', { cause: error })
  }
}

const isProblem = (answer: unknown): answer is Problem =>
  typeof answer === 'object' && answer !== null && 'code' in answer && 'status' in answer
