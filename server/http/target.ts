import type { Context, Middleware } from 'koa'

/**
 * koa takes the target of a request apart whenever its path is asked for, also once the request is over, and throws
 * where that cannot be done (`http://[`). Nothing lies at such a target.
 */
export const readableTarget: Middleware = async (ctx, next) => {
  if (!isReadable(ctx)) ctx.url = `/${encodeURIComponent(ctx.url)}`
  await next()
}

function isReadable(ctx: Context): boolean {
  try {
    return typeof ctx.path === 'string'
  } catch {
    return false
  }
}
