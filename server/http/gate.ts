import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Authenticate } from '../domain/access/authenticate.ts'
import type { Principal } from '../domain/access/principal.ts'
import { accessTopic } from '../domain/topics.ts'
import type { WakeBus } from '../ports.ts'
import type { Hold } from './held-polls.ts'

const callers = new WeakMap<IncomingMessage, Principal>()
const failures = new WeakMap<IncomingMessage, unknown>()
const byCookie = new WeakSet<IncomingMessage>()

/** Whether load balancers and service managers ask so, often, and without a token; as the router reads it. */
export const isProbe = ({ method, url = '' }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') && /^\/(?:health|ready)\/?(?:\?|$)/i.test(url)

/** Who sent a request. @throws what kept it from being found out */
export function principalOf({ req }: { req: IncomingMessage }): Principal {
  if (failures.has(req)) throw failures.get(req)
  return callers.get(req) ?? { kind: 'nobody' }
}

/** Whether who sent a request is known, or would be, by a cookie. */
export function isByCookie(request: IncomingMessage): boolean {
  return byCookie.has(request)
}

/**
 * Finds out who calls before anything else is done; a poll is held only for who may have its answer.
 * What is wrong is told by the routes, as everything else is.
 */
export function createGate({
  authenticate,
  tokenOf,
  wakes,
  hold,
  handle,
}: {
  authenticate: Authenticate
  /** The operator's token of a request that is signed in. */
  tokenOf: (request: IncomingMessage) => string | undefined
  wakes: WakeBus
  hold: Hold
  handle: (request: IncomingMessage, response: ServerResponse) => void
}): RequestListener {
  const identify = async (request: IncomingMessage): Promise<void> => {
    // Whether the server lives is told without looking anybody up.
    if (isProbe(request)) return
    try {
      callers.set(request, await authenticate(request.headers.authorization ?? authorizationByCookie(request)))
    } catch (error) {
      failures.set(request, error)
    }
  }

  const authorizationByCookie = (request: IncomingMessage): string => {
    const token = tokenOf(request)
    if (token === undefined) return ''
    byCookie.add(request)
    return `Bearer ${token}`
  }

  const isNobody = async (request: IncomingMessage): Promise<boolean> => {
    await identify(request)
    return failures.has(request) || callers.get(request)?.kind === 'nobody'
  }

  /**
   * What is under way ends with the right to it, and not when it is over: an upload can take hours. What is short ends by
   * itself, and whoever revokes what they call with hears of it.
   */
  const watch = (request: IncomingMessage, response: ServerResponse): void => {
    const topic = topicOf(callers.get(request))
    if (topic === undefined || (request.method !== 'GET' && request.method !== 'PUT')) return
    const recheck = async (): Promise<void> => {
      if (await isNobody(request)) request.socket.destroy()
    }
    response.once(
      'close',
      wakes.subscribe(topic, () => void recheck()),
    )
  }

  const admit = (request: IncomingMessage, response: ServerResponse): void => {
    // It went away while it was looked up: nothing would tell of its end any more.
    if (response.closed) return
    const next = (): void => handle(request, response)
    // A revocation wakes polls, too: thousands need no second watch.
    if (hold(request, response, { next, mayStill: async () => !(await isNobody(request)) })) return
    watch(request, response)
    next()
  }

  return (request, response) => {
    // Node remembers it from now on: a connection that is gone has none.
    void request.socket.remoteAddress
    void identify(request).then(() => (failures.has(request) ? handle : admit)(request, response))
  }
}

function topicOf(principal: Principal | undefined): string | undefined {
  if (principal?.kind === 'operator') return accessTopic(principal.id)
  return principal?.kind === 'agent' ? accessTopic(principal.credentialId) : undefined
}
