import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Authenticate } from '../domain/access/authenticate.ts'
import type { Principal } from '../domain/access/principal.ts'
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
  hold,
  handle,
}: {
  authenticate: Authenticate
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

  const after = (request: IncomingMessage, response: ServerResponse): void => {
    // While it was held, the caller's right may have been revoked.
    void identify(request).then(() => handle(request, response))
  }

  return (request, response) => {
    void identify(request).then(() => {
      if (failures.has(request)) return handle(request, response)
      return hold(request, response, (held) => (held ? after : handle)(request, response))
    })
  }
}
