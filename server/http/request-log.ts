import type { Middleware } from 'koa'
import type { Log } from '../../shared/log.ts'

/** One line per request at the level debug. The query stays out: it may hold what is nobody else's business. */
export function requestLog({ log }: { log: Log }): Middleware {
  return async (ctx, next) => {
    const begunAt = performance.now()
    ctx.res.once('close', () => {
      const ms = Math.round(performance.now() - begunAt)
      log.debug(
        { method: ctx.method, path: ctx.path, status: ctx.status, ms, cut: !ctx.res.writableFinished },
        'request',
      )
    })
    await next()
  }
}
