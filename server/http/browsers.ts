import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { Middleware } from 'koa'
import { AppError } from '../../shared/errors.ts'
import { isLoopback } from '../address.ts'
import { principalOf } from './gate.ts'

/** What proxies add: whoever comes by way of one is not of this machine. */
const passedOn = ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via']

/**
 * Where nobody needs a token, only what is of this machine is served. Its browsers must lend nothing to other people's
 * pages: neither to one that sends requests here, which browsers say (Fetch Metadata), nor to one whose name was made to
 * lead here (DNS rebinding), which the name says. And a proxy on it must let nobody in.
 * @returns why a request is not served for that; undefined for one that is
 */
export function strangeness({ req }: { req: IncomingMessage }): string | undefined {
  if (principalOf({ req }).kind !== 'anyone') return undefined
  const { headers } = req
  if (!isOwnName(headers)) return `Nobody needs a token here, so the server answers to this machine's own names only.`
  if (isOfBrowser(headers) && !isOwnPage(headers)) return 'This comes from a page of somebody else.'
  const header = passedOn.find((name) => said(headers, name) !== '')
  return header && `A proxy passed this on (${header}), and nobody needs a token here; set TRUST_PROXY=1.`
}

/** Refuses what is strange to this machine. */
export const ownMachineOnly: Middleware = async (ctx, next) => {
  const why = strangeness(ctx)
  if (why !== undefined) throw new AppError('not-permitted', why)
  await next()
}

function said(headers: IncomingHttpHeaders, name: string): string {
  return String(headers[name.toLowerCase()] ?? '')
}

/** Whether a browser says from where a request comes. All say so of what can change something. */
const isOfBrowser = (headers: IncomingHttpHeaders): boolean =>
  said(headers, 'Sec-Fetch-Site') !== '' || said(headers, 'Origin') !== ''

/**
 * Whether a page of this server sends a request that brings a cookie, or a person who typed its address. What changes
 * something must say so. What asks may say nothing, as without TLS: the cookie itself comes from this site alone.
 */
export function isOfOwnPage({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  if (method === 'GET' || method === 'HEAD') return !isOfBrowser(headers) || isOwnPage(headers)
  return isOwnPage(headers) && said(headers, 'Sec-Fetch-Site') !== 'none'
}

/** Whether a browser sends it for a page that is none of ours. */
export const isOfOtherPage = (request: Pick<IncomingMessage, 'method' | 'headers'>): boolean =>
  isOfBrowser(request.headers) && !isOfOwnPage(request)

/** `none`: typed, or a bookmark. */
function isOwnPage(headers: IncomingHttpHeaders): boolean {
  const site = said(headers, 'Sec-Fetch-Site')
  if (site !== '') return site === 'same-origin' || site === 'none'
  return URL.parse(said(headers, 'Origin'))?.host === said(headers, 'Host')
}

/** Every browser sends a name. */
function isOwnName(headers: IncomingHttpHeaders): boolean {
  const host = said(headers, 'Host')
  if (host === '') return true
  const name = /^\[([^\]]*)\](?::\d*)?$/.exec(host)?.[1] ?? host.split(':', 1)[0] ?? ''
  return name === 'localhost' || (isIP(name) > 0 && isLoopback(name))
}
