import helmet from 'helmet'
import type { Middleware } from 'koa'

/**
 * The headers of a careful server: what it sends is nobody's page, script or frame.
 * @param tls whether it serves HTTPS itself: only then may it demand that of browsers
 */
export function careful({ tls }: { tls: boolean }): Middleware {
  const set = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
    },
    strictTransportSecurity: tls,
  })
  return async (ctx, next) => {
    await new Promise<void>((resolve, reject) => {
      set(ctx.req, ctx.res, (error) => (error === undefined ? resolve() : reject(error)))
    })
    await next()
  }
}
