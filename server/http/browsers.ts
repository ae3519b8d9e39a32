import { isIP } from 'node:net'
import type { Context, Middleware } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { isLoopback } from '../address.ts'
import { principalOf } from './gate.ts'

/** What proxies add: whoever comes by way of one is not of this machine. */
const passedOn = ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via']

/**
 * Where nobody needs a token, only what is of this machine is served. Its browsers must lend nothing to other people's
 * pages: neither to one that sends requests here, which browsers say (Fetch Metadata), nor to one whose name was made to
 * lead here (DNS rebinding), which the name says. And a proxy on it must let nobody in.
 */
export const ownMachineOnly: Middleware = async (ctx, next) => {
  if (principalOf(ctx).kind === 'anyone') checkOwn(ctx)
  await next()
}

function checkOwn(ctx: Context): void {
  if (!isOwnName(ctx)) {
    throw new AppError(
      'not-permitted',
      `Nobody needs a token here, so the server answers to this machine's own names only.`,
    )
  }
  if (isOfBrowser(ctx) && !isOwnPage(ctx)) {
    throw new AppError('not-permitted', 'This comes from a page of somebody else.')
  }
  const header = passedOn.find((name) => ctx.get(name) !== '')
  if (header === undefined) return
  throw new AppError(
    'not-permitted',
    `A proxy passed this on (${header}), and nobody needs a token here; set TRUST_PROXY=1.`,
  )
}

const isOfBrowser = (ctx: Context): boolean => ctx.get('Sec-Fetch-Site') !== '' || ctx.get('Origin') !== ''

/** `none`: typed, or a bookmark. */
function isOwnPage(ctx: Context): boolean {
  const site = ctx.get('Sec-Fetch-Site')
  if (site !== '') return site === 'same-origin' || site === 'none'
  return URL.parse(ctx.get('Origin'))?.host === ctx.host
}

/** Every browser sends a name. */
function isOwnName(ctx: Context): boolean {
  if (ctx.get('Host') === '') return true
  const address = ctx.hostname.replace(/^\[|\]$/g, '')
  return address === 'localhost' || (isIP(address) > 0 && isLoopback(address))
}
