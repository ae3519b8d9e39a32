/** What is shown, as the part of the address after `#` says it. */
export interface Route {
  view: 'downloads' | 'download' | 'clients' | 'client' | 'audit' | 'unknown'
  /** Of the one that is shown; empty where all are. */
  id: string
  query: URLSearchParams
}

/** `#/downloads/ID?status=queued`; what leads nowhere is `unknown`. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#/, '').split('?', 2)
  const [view = '', id = '', ...rest] = path.split('/').slice(1)
  const found = { id: decoded(id), query: new URLSearchParams(query) }
  if (rest.length > 0) return { view: 'unknown', ...found }
  if (view === '' || view === 'downloads') return { view: found.id === '' ? 'downloads' : 'download', ...found }
  if (view === 'clients') return { view: found.id === '' ? 'clients' : 'client', ...found }
  if (view === 'audit' && found.id === '') return { view: 'audit', ...found }
  return { view: 'unknown', ...found }
}

export const downloadLink = (id: string): string => `#/downloads/${encodeURIComponent(id)}`
export const clientLink = (id: string): string => `#/clients/${encodeURIComponent(id)}`

/** A link to a view with what is not empty of a query. */
export function linkTo(path: string, query: Record<string, string | null | undefined>): string {
  const filled = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  return filled.length === 0 ? `#${path}` : `#${path}?${new URLSearchParams(filled).toString()}`
}

/** What is not well encoded was typed by somebody, and names nothing. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
