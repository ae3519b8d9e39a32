import type { IncomingMessage, ServerResponse } from 'node:http'
import { clientIdPattern, headers } from '../../shared/protocol.ts'
import type { PollRequest, Polls } from '../domain/polls.ts'
import { waitSeconds } from './prefer.ts'

/**
 * Holds a request, or hands it on at once.
 * @returns what hands on a held one before its time; undefined for what is not held
 */
export type Hold = (request: IncomingMessage, response: ServerResponse, next: () => void) => (() => void) | undefined

/**
 * Holds polls before anything is made for them: the context of a koa request with its promises takes several times
 * what the connection does, and thousands of polls wait at once. What is handed on is to be answered now.
 */
export function createHeldPolls({
  polls,
  may,
}: {
  polls: Polls
  /** Whether who sent this may have the answer; if not, a route says so. */
  may: (request: IncomingMessage, clientId: string) => boolean
}): Hold {
  return (request, response, next) => {
    const poll = pollOf(request)
    if (!poll || !may(request, poll.clientId)) {
      next()
      return undefined
    }
    const handOn = (): void => {
      response.off('close', gone)
      next()
    }
    const gone = (): void => end()
    const end = polls.hold(poll, handOn)
    response.once('close', gone)
    return () => {
      end()
      handOn()
    }
  }
}

/** @returns undefined for what is no poll that waits; what is malformed is refused by its route */
function pollOf({ method, url = '', headers: sent }: IncomingMessage): PollRequest | undefined {
  // The target as it was sent: URL would take `/x/../jobs` for `/jobs`, which the router does not.
  if (method !== 'GET' || !/^(?:https?:\/\/[^/?#]*)?\/jobs\/?\?/i.test(url)) return undefined
  const waitMs = (waitSeconds(header(sent['prefer'])) ?? 0) * 1000
  // Behind a host, for a path can begin with two strokes, and what follows is none.
  const asked = URL.parse(url.startsWith('/') ? `http://server${url}` : url)
  // As the router reads it: what is held is answered there, and what is not waits nowhere.
  if (waitMs === 0 || !asked || !/^\/jobs\/?$/i.test(asked.pathname)) return undefined
  const [clientId, anotherClient] = asked.searchParams.getAll('client')
  const [seen, anotherSeen] = asked.searchParams.getAll('seen')
  if (anotherClient !== undefined || anotherSeen !== undefined) return undefined
  if (!clientIdPattern.test(clientId ?? '') || !/^\d{1,15}$/.test(seen ?? '0')) return undefined
  return {
    clientId: clientId ?? '',
    waitMs,
    seen: seen === undefined ? undefined : Number(seen),
    session: header(sent[headers.session.toLowerCase()]) || undefined,
  }
}

function header(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : ''
}
