import { AsyncLocalStorage } from 'node:async_hooks'
import type { Middleware } from 'koa'

const current = new AsyncLocalStorage<{ traceId: string } | undefined>()

/** Of the request that is being handled: what each line of the log says beside its own. */
export const traceFields = (): object => ({ ...current.getStore() })

/**
 * The trace-id of a `traceparent` (https://www.w3.org/TR/trace-context/#traceparent-header): a later version may have more
 * behind its flags, the first has not.
 * @returns undefined for what is none
 */
export function traceIdOf(traceparent: string): string | undefined {
  const parts = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/.exec(
    traceparent,
  )
  if (!parts || (parts[1] === '00' && parts[3] !== undefined)) return undefined
  return parts[2]
}

/**
 * What is logged for a request that is traced says so. One that is not has a place of its own all the same: a poll goes on in
 * that of the call that woke it. Polls are held before they come here, and cost nothing more.
 */
export const traced: Middleware = (ctx, next) => {
  const traceId = traceIdOf(ctx.get('traceparent'))
  return current.run(traceId === undefined ? undefined : { traceId }, next)
}
