import type { Proxy } from '../shared/proxy.ts'
import type { TlsOptions } from '../shared/tls.ts'
import { createHttp, type Http } from './http.ts'
import type { Limiter } from './limiter.ts'

/** Ways to stores that servers name. */
export interface StoreHttp {
  /**
   * The way to a URL, and what it is called there.
   * @throws Error that says why nothing is sent there
   */
  to(url: string): { http: Http; path: string }
  /** Closes the connections on which nothing is under way. */
  rest(): void
}

export interface StoreHttpDeps {
  /** The server's URL. */
  server: string
  userAgent: string
  /** On the way to a URL. @throws Error when it is set wrongly */
  proxyOf: (url: URL) => Proxy | undefined
  /** Of the server: what CAs are believed holds for the store, too. What says who we are is for the server alone. */
  tls?: TlsOptions
  limiter?: Limiter
}

/** @returns ways to stores; of one store at a time, for a server has one */
export function createStoreHttp({ server, userAgent, proxyOf, tls = {}, limiter }: StoreHttpDeps): StoreHttp {
  const plain = new URL(server).protocol === 'http:'
  let current: { origin: string; http: Http } | undefined

  const check = (url: URL): void => {
    if (url.protocol !== 'https:' && !(plain && url.protocol === 'http:'))
      throw new Error(`the store is at ${url.protocol}//, and what goes to a server of https:// goes nowhere less safe`)
    if (tls.checkServerIdentity) throw new Error('this site believes the pinned key of its server alone (--pin)')
    if (url.username !== '' || url.password !== '') throw new Error('the URL of the store has a user or a password')
  }

  const open = (url: URL): Http => {
    if (current?.origin === url.origin) return current.http
    current?.http.rest()
    const http = createHttp({
      server: url.origin,
      userAgent,
      proxy: proxyOf(url),
      tls: trustOf(tls),
      ...(limiter ? { limiter } : {}),
    })
    current = { origin: url.origin, http }
    return http
  }

  return {
    to(text) {
      const url = URL.parse(text)
      if (!url) throw new Error('the URL of the store is none')
      check(url)
      return { http: open(url), path: `${url.pathname}${url.search}` }
    },
    rest: () => current?.http.rest(),
  }
}

/** What the site believes, and nothing that says who it is. */
const trustOf = ({ ca }: TlsOptions): TlsOptions => ({ rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) })
