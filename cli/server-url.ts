import { withoutUser } from '../shared/format.ts'

export const defaultServer = 'http://localhost:3000'

/**
 * The base address of the server, ending in `/`, so that paths resolve below it. `ws:` and `wss:` count as `http:` and
 * `https:`; no scheme counts as `http:`; an empty text as the default.
 * @throws Error that says what is wrong with `text`
 */
export function parseServerUrl(text: string): URL {
  const given = text.trim() || defaultServer
  const url = readUrl(/^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`)
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error(`must be an address such as ${defaultServer}, not "${withoutUser(text)}"`)
  }
  url.search = ''
  url.hash = ''
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function readUrl(text: string): URL | null {
  return URL.parse(text.replace(/^ws(s?):/i, 'http$1:'))
}

/** The address without user name and password, for messages. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`
}
