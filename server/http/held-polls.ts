import type { IncomingMessage, ServerResponse } from 'node:http'
import { clientIdPattern, headers } from '../../shared/protocol.ts'
import type { PollRequest, Polls } from '../domain/polls.ts'
import { waitSeconds } from './prefer.ts'

/**
 * Holds a request and hands it on to `next` in its time.
 * @param waiter.mayStill whether its caller still has a right to the answer
 * @returns whether it is held; nothing is done with what is not
 */
export type Hold = (
  request: IncomingMessage,
  response: ServerResponse,
  waiter: { next: () => void; mayStill: () => Promise<boolean> },
) => boolean

/** In ms: who waits so long for each answer cannot ask often. */
const LONG = 500
const waited = new WeakSet<IncomingMessage>()
const quiet = new WeakSet<IncomingMessage>()

/** Whether a request was held for a while before it came to its route. */
export function hasWaited(request: IncomingMessage): boolean {
  return waited.has(request)
}

/** Whether a poll was held to the end of its time without anything that could be news. */
export function wasQuiet(request: IncomingMessage): boolean {
  return quiet.has(request)
}

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
  const crowd = createCrowd()

  return (request, response, { next, mayStill }) => {
    const poll = pollOf(request)
    if (!poll || !may(request, poll.clientId)) return false
    const since = performance.now()
    const leave = (): void => {
      response.off('close', gone)
      crowd.leave(poll.clientId, release)
    }
    const handOn = (isQuiet: boolean): void => {
      leave()
      if (isQuiet) quiet.add(request)
      if (performance.now() - since > LONG) waited.add(request)
      next()
    }
    const gone = (): void => {
      leave()
      end()
    }
    const release = (): void => {
      end()
      handOn(false)
    }
    const end = polls.hold(poll, { ready: handOn, mayStill })
    response.once('close', gone)
    crowd.join(poll.clientId, release)
    return true
  }
}

/** An agent holds one poll, and for a moment those that broke before; whoever holds more is answered at once, the oldest first. */
const MOST_OF_ONE = 8

/** The polls of each client, oldest first: nearly always one, for which an array is the least. */
function createCrowd() {
  const held = new Map<string, (() => void)[]>()
  return {
    join(clientId: string, release: () => void): void {
      const own = held.get(clientId)
      if (!own) return void held.set(clientId, [release])
      own.push(release)
      if (own.length > MOST_OF_ONE) own[0]?.()
    },
    leave(clientId: string, release: () => void): void {
      const others = held.get(clientId)?.filter((each) => each !== release) ?? []
      if (others.length > 0) held.set(clientId, others)
      else held.delete(clientId)
    },
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
