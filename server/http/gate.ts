import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Authenticate } from '../domain/access/authenticate.ts'
import type { Principal } from '../domain/access/principal.ts'
import { accessTopic } from '../domain/topics.ts'
import type { WakeBus } from '../ports.ts'
import type { Gate } from './held-polls.ts'

const callers = new WeakMap<IncomingMessage, Principal>()
const failures = new WeakMap<IncomingMessage, unknown>()

/** Who sent a request. @throws what kept it from being found out */
export function principalOf({ req }: { req: IncomingMessage }): Principal {
  if (failures.has(req)) throw failures.get(req)
  return callers.get(req) ?? { kind: 'nobody' }
}

/**
 * Finds out who calls before anything else is done; a poll is held only for who may have its answer.
 * What is wrong is told by the routes, as everything else is.
 */
export function createGate({
  authenticate,
  wakes,
  hold,
  handle,
}: {
  authenticate: Authenticate
  wakes: WakeBus
  hold: Gate
  handle: (request: IncomingMessage, response: ServerResponse) => void
}): RequestListener {
  const identify = async (request: IncomingMessage): Promise<void> => {
    try {
      callers.set(request, await authenticate(request.headers.authorization ?? ''))
    } catch (error) {
      failures.set(request, error)
    }
  }

  /** What is under way ends with the right to it, and not when it is over: an upload, or a download, can take hours. */
  const watch = (request: IncomingMessage, response: ServerResponse): void => {
    const topic = topicOf(callers.get(request))
    if (topic === undefined) return
    const recheck = async (): Promise<void> => {
      await identify(request)
      if (callers.get(request)?.kind === 'nobody') request.destroy()
    }
    response.once(
      'close',
      wakes.subscribe(topic, () => void recheck()),
    )
  }

  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    watch(request, response)
    handle(request, response)
  }

  const after = (request: IncomingMessage, response: ServerResponse): void => {
    // While it was held, the caller's right may have been revoked.
    void identify(request).then(() => pass(request, response))
  }

  return (request, response) => {
    void identify(request).then(() => {
      if (failures.has(request)) return handle(request, response)
      return hold(request, response, (held) => (held ? after : pass)(request, response))
    })
  }
}

function topicOf(principal: Principal | undefined): string | undefined {
  if (principal?.kind === 'operator') return accessTopic(principal.id)
  return principal?.kind === 'agent' ? accessTopic(principal.credentialId) : undefined
}
