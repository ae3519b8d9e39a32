import type { Context, Middleware } from 'koa'

/**
 * Some platforms refuse answers that tell a length above theirs, and pass the same bytes in pieces of any number.
 * @param limit bytes; undefined for none
 */
export function lengthsWithin(limit: number | undefined): Middleware {
  return async (ctx, next) => {
    await next()
    if (limit !== undefined && (ctx.length ?? 0) > limit) withoutLength(ctx)
  }
}

/** Sends the answer in pieces (RFC 9112 §7.1), whose end tells that it is whole. */
export function withoutLength(ctx: Context): void {
  // Over HTTP/1.0 nothing but the length tells a whole answer from one that broke.
  if (ctx.method !== 'HEAD' && ctx.req.httpVersion !== '1.0') ctx.remove('Content-Length')
}
