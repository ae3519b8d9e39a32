import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, Middleware } from 'koa'
import type { Log } from '../../shared/log.ts'
import type { Call, CallMetrics } from '../metrics/calls.ts'
import { operationName } from './audit.ts'
import { waitSeconds } from './prefer.ts'

/**
 * One line per request at the level debug, and its place in the metrics. The query stays out: it may hold what is nobody
 * else's business.
 */
export function requestLog({ log, metrics }: { log: Log; metrics: Pick<CallMetrics, 'called'> }): Middleware {
  return async (ctx, next) => {
    const begunAt = performance.now()
    const ended = (): void => {
      const ms = performance.now() - begunAt
      const { method, path, status } = ctx
      log.debug({ method, path, status, ms: Math.round(ms), cut: !ctx.res.writableFinished }, 'request')
      const call = callOf(ctx, ms)
      if (!takesItsTime(ctx, call)) metrics.called(call)
    }
    // Whoever closes it is not within the request.
    ctx.res.once('close', AsyncLocalStorage.bind(ended))
    await next()
  }
}

function callOf(ctx: Context, ms: number): Call {
  const route = operationName(ctx)?.replace(/^\S+ /, '')
  return { method: ctx.method, route, status: ctx.res.headersSent ? ctx.status : undefined, ms }
}

/** Whether a call was to last. Polls of agents have waited before they came here: held-polls.ts. */
function takesItsTime(ctx: Context, { route }: Call): boolean {
  if (ctx.response.is('text/event-stream')) return true
  return route !== '/jobs' && (waitSeconds(ctx.get('Prefer')) ?? 0) > 0
}
