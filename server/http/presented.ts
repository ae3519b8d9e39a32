import type { Middleware } from 'koa'

/** JSON answers end with a line break, for whoever reads them on a terminal. */
export const presented: Middleware = async (ctx, next) => {
  await next()
  if (ctx.body === null || typeof ctx.body !== 'object' || ctx.status === 304) return
  if (Object.getPrototypeOf(ctx.body) !== Object.prototype) return
  ctx.body = `${JSON.stringify(ctx.body)}\n`
  ctx.type = 'application/json'
}
