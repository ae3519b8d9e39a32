import { isIP } from 'node:net'
import type { Context } from 'koa'

/** The caller's address: what the proxies that are trusted say, if that is one. */
export function addressOf(ctx: Context): string {
  return isIP(ctx.ip) > 0 ? ctx.ip : (ctx.req.socket.remoteAddress ?? '')
}
