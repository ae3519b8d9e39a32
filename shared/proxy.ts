import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { readEnvironment, type Environment, type EnvReader } from './env.ts'
import type { TlsOptions } from './tls.ts'

/** A forward proxy on the way to the server. */
export interface Proxy {
  /** With user and password: for connecting only, never to be shown. */
  url: string
  /** Without them, for people. */
  shown: string
  hasPassword: boolean
  /** Where it was set. */
  variable: 'HTTPS_PROXY' | 'HTTP_PROXY'
}

/** A proxy could not reach these: they mean the machine that asks. */
const ownMachine = ['localhost', '127.0.0.1', '::1']
/** A tunnel through a proxy must stand after this many ms. */
const TUNNEL_MS = 10_000
/** And so must TLS in it, all in all: before, a request has no socket, and so no limit of its own can end it. */
const SECURED_MS = 20_000

/**
 * The proxy on the way to `server`: HTTPS_PROXY or HTTP_PROXY, by the server's scheme, in lower case first, as curl
 * reads them. None for the own machine, and none for what NO_PROXY names. A mistake is left with the reader.
 */
export function readProxy(reader: EnvReader, server: URL): Proxy | undefined {
  const variable = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const url = reader.parsed(variable.toLowerCase(), '', parseProxy) ?? reader.parsed(variable, '', parseProxy)
  const exempt = reader.text('no_proxy', reader.text('NO_PROXY', ''))
  if (!url || isExempt(server, exempt)) return undefined
  const hasPassword = url.username !== '' || url.password !== ''
  return { url: url.href, shown: `${url.protocol}//${url.host}`, hasPassword, variable }
}

/** The same for any other URL, whenever it becomes known. @throws ConfigError when the variable for it is mistaken */
export function proxyTo(env: Environment, url: URL): Proxy | undefined {
  const reader = readEnvironment(env)
  const proxy = readProxy(reader, url)
  reader.finish()
  return proxy
}

/** @throws Error that says the form, and nothing of the text: it can hold a password */
function parseProxy(text: string): URL | undefined {
  if (text === '') return undefined
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url && isProxyUrl(url)) return url
  throw new Error(
    'must read http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, other characters than letters and digits in user and password as %XX',
  )
}

function isProxyUrl({ protocol, hostname, pathname, search, hash, username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
  } catch {
    return false
  }
  return /^https?:$/.test(protocol) && hostname !== '' && /^\/?$/.test(pathname) && search === '' && hash === ''
}

/** @param list names with or without what lies below them, addresses, each with or without a port; `*` for all */
function isExempt(server: URL, list: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, '')
  const port = server.port || (server.protocol === 'https:' ? '443' : '80')
  return ownMachine.includes(host) || list.split(/[\s,]+/).some((entry) => names(entry.toLowerCase(), host, port))
}

function names(entry: string, host: string, port: string): boolean {
  if (entry === '*' || entry === host) return true
  const match = /^(?:\*?\.)?([^*:]+|\[[^\]]+\])(?::(\d+))?$/.exec(entry)
  const name = match?.[1]?.replace(/^\[|\]$/g, '')
  if (name === undefined || (match?.[2] ?? port) !== port) return false
  return host === name || host.endsWith(`.${name}`)
}

/** Connections that are kept, by way of the proxy if there is one. @param tls of the server, not of the proxy */
export function createAgents(proxy: Proxy | undefined, tls: TlsOptions = {}): { http: HttpAgent; https: HttpsAgent } {
  if (!proxy) return { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ ...tls, keepAlive: true }) }
  const proxyEnv = { http_proxy: proxy.url, https_proxy: proxy.url }
  // The limit ends the wait for a tunnel, and what is idle in the pool; requests have limits of their own.
  const https = new HttpsAgent({ ...tls, keepAlive: true, proxyEnv, maxCachedSessions: 0, timeout: TUNNEL_MS })
  boundConnecting(https)
  return { http: new HttpAgent({ keepAlive: true, proxyEnv }), https }
}

/**
 * Node 24 leaves the connection open on which a tunnel was refused: one more at every try, and the process does not end.
 * And it waits for ever for TLS in a tunnel on which nothing moves.
 */
function boundConnecting(agent: HttpsAgent): void {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const late = setTimeout(
      () => connection?.destroy(new Error(`no TLS connection within ${SECURED_MS / 1000} s`)),
      SECURED_MS,
    ).unref()
    const connection = connect(options, (error, tunnel) => {
      clearTimeout(late)
      if (error) connection?.destroy()
      callback?.(error, tunnel)
    })
    return connection
  }
}

/** The status with which a proxy refused a tunnel, or undefined when `error` is something else. */
export function tunnelStatus(error: unknown): number | undefined {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (!(cause instanceof Error) || !('code' in cause) || cause.code !== 'ERR_PROXY_TUNNEL') return undefined
  return 'statusCode' in cause && typeof cause.statusCode === 'number' ? cause.statusCode : undefined
}

/** Whether an answer is not the server's, but a proxy's that wants to know who asks. tinyproxy says 401 to a wrong password. */
export function isRefusal({ hasPassword }: Proxy, status: number, contentType = ''): boolean {
  if (contentType.startsWith('application/problem+json')) return false
  return status === 407 || (status === 401 && hasPassword)
}

/** Why a proxy lets nobody pass, and what to do, without a full stop. @param status HTTP status of its answer */
export function refusalOf({ shown, variable, hasPassword }: Proxy, status: number): string {
  if (status !== 407 && status !== 401) return `the proxy ${shown} opens no way to the server (HTTP ${status})`
  if (!hasPassword)
    return `the proxy ${shown} asks for a user and password; set them in ${variable} (http://USER:PASSWORD@HOST:PORT)`
  const who = status === 407 ? `the proxy ${shown}` : `the proxy ${shown}, or what is behind it,`
  return `${who} does not accept the user and password in ${variable}`
}
