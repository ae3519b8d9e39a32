import type { DownloadRequest } from '../../../shared/operator.ts'
import type { Policy } from '../../../shared/protocol.ts'

/** Whom the form asks: the clients that are named, or all that carry some labels. */
export type Whom = 'named' | 'all'

/**
 * What a filled form asks for.
 * @param client that all of it is asked of, whatever the form says
 */
export function requestOf(form: Record<string, string>, client?: string): DownloadRequest {
  const { path, note, priority, policy } = form
  return {
    ...(client === undefined ? whomOf(form) : { clientId: client }),
    ...(path ? { path } : {}),
    ...(note ? { note } : {}),
    ...(priority ? { priority: Number(priority) } : {}),
    policy: policy as Policy,
  }
}

function whomOf({ whom, clients = '', labels = '' }: Record<string, string>): Partial<DownloadRequest> {
  if (whom === 'all') return { clientIds: '*', ...(labels ? { labels: labelsOf(labels) } : {}) }
  const ids = [...new Set(listed(clients))]
  return ids.length > 1 ? { clientIds: ids } : { clientId: ids[0] ?? '' }
}

/** `region=west, kind=till`; what is no label the server refuses in its own words. */
const labelsOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    listed(text).map((label) => {
      const [key = '', ...value] = label.split('=')
      return [key.trim(), value.join('=').trim()]
    }),
  )

const listed = (text: string): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)

/** What is before the last of several ids, and what was typed of that one. */
export function lastOf(clients: string): { before: string; last: string } {
  const at = clients.lastIndexOf(',') + 1
  const last = clients.slice(at).trimStart()
  return { before: clients.slice(0, clients.length - last.length), last }
}
