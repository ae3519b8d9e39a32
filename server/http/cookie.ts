import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Context, Middleware } from 'koa'
import { kindOf } from '../domain/access/secrets.ts'
import { isOfOwnPage } from './browsers.ts'
import { isByCookie } from './gate.ts'

/** How long a browser keeps a sign-in, in s: a working day. A token that is over sooner ends it sooner. */
const KEPT_FOR = 43_200

/** Keeps an operator's token for the pages of this server, where no script can read it (RFC 6265). */
export interface SignInCookie {
  /** The operator's token that a request of one of our own pages brings. */
  tokenOf(request: IncomingMessage): string | undefined
  keep(ctx: Context, token: string): void
  forget(ctx: Context): void
}

/** @param trustProxy how many proxies are believed that say which scheme they were called by */
export function createSignInCookie({ trustProxy }: { trustProxy: number }): SignInCookie {
  const isSecure = ({ socket, headers }: IncomingMessage): boolean =>
    socket instanceof TLSSocket ||
    (trustProxy > 0 && /^https\s*(?:,|$)/i.test(String(headers['x-forwarded-proto'] ?? '')))

  // With the prefix, browsers take it from nobody else: neither from another name of the domain, nor without TLS.
  const nameFor = (secure: boolean): string => (secure ? '__Host-backhaul' : 'backhaul')

  const send = (ctx: Context, value: string, seconds: number): void => {
    const secure = isSecure(ctx.req)
    const attributes = `HttpOnly; SameSite=Strict; Path=/; Max-Age=${seconds}${secure ? '; Secure' : ''}`
    ctx.set('Set-Cookie', `${nameFor(secure)}=${value}; ${attributes}`)
  }

  return {
    tokenOf(request) {
      const begin = `${nameFor(isSecure(request))}=`
      const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim())
      const value = pairs.find((pair) => pair.startsWith(begin))?.slice(begin.length)
      if (value === undefined || value === '' || !isOfOwnPage(request)) return undefined
      const token = decoded(value)
      return token !== undefined && mayBeOperators(token) ? token : undefined
    },
    keep: (ctx, token) => send(ctx, encodeURIComponent(token), KEPT_FOR),
    forget: (ctx) => send(ctx, '', 0),
  }
}

/** Whether a token can be one of an operator; ADMIN_TOKEN may look like anything that is none of ours. */
export function mayBeOperators(token: string): boolean {
  return ['operator', undefined].includes(kindOf(token))
}

/** What is answered to one who signed in is no other's. Caches know that of `Authorization` (RFC 9111 §3.5), not of cookies. */
export const keptPrivate: Middleware = async (ctx, next) => {
  if (isByCookie(ctx.req)) ctx.set('Cache-Control', 'private, no-cache')
  await next()
}

function decoded(value: string): string | undefined {
  try {
    return decodeURIComponent(value)
  } catch {
    // Not of our making.
    return undefined
  }
}
