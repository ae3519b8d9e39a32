import { Readable } from 'node:stream'
import type { Context, Middleware } from 'koa'
import { AppError, messageOf, type ErrorCode } from '../../shared/errors.ts'
import type { Log } from '../../shared/log.ts'
import { headers } from '../../shared/protocol.ts'
import type { CallMetrics } from '../metrics/calls.ts'
import { drain } from './body.ts'
import { isChallenge } from './challenge.ts'

/** The status of each code. A code that is missing here does not compile. */
const statuses: Record<ErrorCode, number> = {
  invalid: 400,
  'range-invalid': 400,
  'length-required': 411,
  'digest-invalid': 400,
  'digest-mismatch': 400,
  'too-large': 413,
  'unsupported-media-type': 415,
  'method-not-allowed': 405,
  'body-timeout': 408,
  'protocol-unsupported': 400,
  'session-required': 400,
  'idempotency-mismatch': 422,
  unauthenticated: 401,
  'not-permitted': 403,
  'too-many-requests': 429,
  'too-many-waiting': 429,
  'too-many-listeners': 503,
  'enrolment-spent': 403,
  'key-revoked': 403,
  'token-unknown': 404,
  'credential-unknown': 404,
  'route-unknown': 404,
  'client-unknown': 404,
  'client-offline': 503,
  'client-not-connected': 404,
  'client-timeout': 408,
  'download-unknown': 404,
  'release-unknown': 404,
  'update-unknown': 404,
  'content-removed': 410,
  'session-held': 409,
  'session-superseded': 409,
  'session-unknown': 409,
  'attempt-superseded': 409,
  'range-conflict': 409,
  incomplete: 409,
  'job-gone': 410,
  'source-changed': 412,
  'name-taken': 409,
  'no-room': 507,
  'over-quota': 507,
  'not-retryable': 409,
  'already-finished': 409,
  'not-finished': 409,
  'update-unsupported': 409,
  'up-to-date': 409,
  'already-fetched': 409,
  'range-not-satisfiable': 416,
  'begin-timeout': 504,
  'content-broken': 502,
  'store-busy': 503,
  'store-full': 503,
  'shutting-down': 503,
  internal: 500,
  'not-found': 404,
  'not-allowed': 403,
  denied: 403,
  hidden: 403,
  'not-a-file': 409,
  locked: 423,
  changed: 409,
  damaged: 502,
  'proxy-limit': 502,
  'io-error': 502,
  unsupported: 501,
  cancelled: 410,
  expired: 410,
}

/** The status that a code is answered with. */
export function statusOf(code: ErrorCode): number {
  return statuses[code]
}

/** Seconds after which a refused caller may come again. */
const retryAfter: Partial<Record<ErrorCode, number>> = {
  'no-room': 10,
  'over-quota': 10,
  'store-full': 10,
  'store-busy': 2,
  'too-many-waiting': 60,
  'too-many-listeners': 10,
  'client-offline': 30,
  'begin-timeout': 5,
}

const representation = ['ETag', 'Last-Modified', headers.reprDigest, 'Content-Disposition', 'Accept-Ranges']

/** The only way out for errors: problem+json (RFC 9457) with a stable code. */
export function problems({
  log,
  metrics,
  spread,
}: {
  log: Log
  metrics: Pick<CallMetrics, 'refused'>
  spread: () => number
}): Middleware {
  return async (ctx, next) => {
    try {
      await next()
      refuseUnanswered(ctx)
    } catch (error) {
      const known = toAppError(error)
      if (known.code === 'internal') log.error({ err: error, method: ctx.method, path: ctx.path }, 'request failed')
      if (known.code !== 'unauthenticated' || !isChallenge(ctx)) metrics.refused(known.code)
      present(ctx, known, spread)
    }
  }
}

/** What no route has answered; the router has set Allow where it knows the path. */
function refuseUnanswered(ctx: Context): void {
  if (ctx.body !== undefined && ctx.body !== null) return
  const { status, method } = ctx
  const path = ctx.path.slice(0, 200)
  if (status === 404) throw new AppError('route-unknown', `There is nothing at ${method} ${path}.`)
  if (status !== 405 && status !== 501) return
  throw new AppError('method-not-allowed', `${path} does not take ${method}; Allow names what it takes.`)
}

function present(ctx: Context, error: AppError, spread: () => number): void {
  const status = statuses[error.code]
  const body = {
    type: `urn:backhaul:problem:${error.code}`,
    title: titleOf(error.code),
    status,
    code: error.code,
    detail: error.message,
    ...error.details,
  }
  const text = `${JSON.stringify(body)}\n`
  ctx.status = status
  // What was said of the representation is not true of the problem: curl -OJ would save it under the file's name.
  for (const name of representation) ctx.remove(name)
  ctx.set('Cache-Control', 'no-store')
  const wait = error.code === 'shutting-down' ? Math.ceil(Math.random() * spread()) : retryAfterOf(error)
  if (wait !== undefined) ctx.set('Retry-After', String(wait))
  if (error.code === 'shutting-down') ctx.set('Connection', 'close')
  const { limit } = error.details
  if (error.code === 'too-large' && typeof limit === 'number') ctx.set(headers.uploadLimit, `max-append-size=${limit}`)
  sendBeforeBody(ctx, text)
  ctx.type = 'application/problem+json'
  ctx.length = Buffer.byteLength(text)
}

/** An answer to a request whose body still comes: the caller must read it before it sees the connection end. */
function sendBeforeBody(ctx: Context, text: string): void {
  if (
    ctx.req.complete ||
    ctx.req.headers['content-length'] === '0' ||
    (ctx.method !== 'PUT' && ctx.method !== 'POST')
  ) {
    ctx.body = text
    return
  }
  ctx.set('Connection', 'close')
  ctx.body = Readable.from(answerThenDrain(ctx, text), { objectMode: false })
}

async function* answerThenDrain(ctx: Context, text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
  await drain(ctx.req)
}

/** `range-invalid` as `Range invalid`. */
function titleOf(code: ErrorCode): string {
  const words = code.replaceAll('-', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('internal', 'The server made a mistake; its log says more.', {}, { cause: messageOf(error) })
}

/** Seconds, if there is anything to wait for. */
function retryAfterOf({ code, details }: AppError): number | undefined {
  return typeof details['retryAfter'] === 'number' ? details['retryAfter'] : retryAfter[code]
}
