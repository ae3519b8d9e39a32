import type { Context } from 'koa'

/**
 * Whether a call that says nothing of who calls is as it should be: an agent asks for a nonce, or its session's token has
 * run out. Such calls are many, and no failures.
 */
export function isChallenge(ctx: Context): boolean {
  const authorization = ctx.get('Authorization')
  if (authorization === '') return ctx.method === 'POST' && /^\/sessions\/?$/i.test(ctx.path)
  return /^bearer +bhs_/i.test(authorization) && /^\/jobs(?:\/|$)/i.test(ctx.path)
}
