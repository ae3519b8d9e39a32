import { isIP } from 'node:net'
import type { Context, Middleware } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { isLoopback } from '../address.ts'
import { principalOf } from './gate.ts'

/**
 * Where nobody needs a token, the browser of whoever sits at this machine must lend none to other people's pages: neither
 * to one that sends requests here, nor to one whose name was made to lead here (DNS rebinding). Browsers say where a
 * request comes from (Fetch Metadata); nothing else sends these headers.
 */
export const ownPagesOnly: Middleware = async (ctx, next) => {
  if (principalOf(ctx).kind === 'anyone' && isBrowser(ctx) && !(isOwnPage(ctx) && isOwnName(ctx.hostname))) {
    throw new AppError(
      'not-permitted',
      'This comes from a page of somebody else. Bind another address, and use a token.',
    )
  }
  await next()
}

const isBrowser = (ctx: Context): boolean => ctx.get('Sec-Fetch-Site') !== '' || ctx.get('Origin') !== ''

/** `none`: typed, or a bookmark. */
function isOwnPage(ctx: Context): boolean {
  const site = ctx.get('Sec-Fetch-Site')
  if (site !== '') return site === 'same-origin' || site === 'none'
  return URL.parse(ctx.get('Origin'))?.host === ctx.host
}

function isOwnName(hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, '')
  return address === 'localhost' || (isIP(address) > 0 && isLoopback(address))
}
