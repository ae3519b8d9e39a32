import { z } from 'zod'
import type { Log } from '../shared/log.ts'
import { sessionSchema, type Session, type SessionRequest } from '../shared/protocol.ts'
import { bearer, interpret, Refused } from './api.ts'
import type { Credential } from './credential.ts'
import type { Answer, Http } from './http.ts'

/** Begins a session once, and proves who asks where the server wants that. */
export type Admission = (request: SessionRequest, signal: AbortSignal) => Promise<Session>

export interface AdmissionDeps {
  http: Http
  /** Opened when it is needed: a server on this very machine asks for none. */
  credential: () => Promise<Credential>
  /** Traded for the key's enrolment, once. */
  enrolToken: string | undefined
  log: Log
}

const LIMIT_MS = 30_000
const enrolledSchema = z.object({ id: z.uuid() })

/** @throws Refused, TransientError, the signal's reason */
export function createAdmission({ http, credential, enrolToken, log }: AdmissionDeps): Admission {
  const post = (path: string, json: unknown, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> =>
    http.request({ method: 'POST', path, json, headers, limitMs: LIMIT_MS, signal })

  /** Makes the key known to the server. A lost answer does no harm: the same key is enrolled once. */
  const enrol = async (own: Credential, clientId: string, signal: AbortSignal): Promise<void> => {
    if (enrolToken === undefined) return
    const answer = await post('/credentials', { clientId, publicKey: own.publicKey }, bearer(enrolToken), signal)
    await own.enrolled(interpret(answer, enrolledSchema).value.id)
    log.info({ clientId }, 'enrolled: the server knows the key of this site')
  }

  return async (request, signal) => {
    const first = await post('/sessions', request, {}, signal)
    const nonce = nonceOf(first)
    if (nonce === undefined) return interpret(first, sessionSchema).value
    const own = await credential()
    if (own.id === undefined) await enrol(own, request.clientId, signal)
    if (own.id === undefined) throw unknown(first)
    const proof = own.prove({ purpose: 'session', nonce, subject: request.instance })
    const second = await post('/sessions', request, { authorization: proof }, signal)
    // A server that lost its database knows the key no more.
    if (nonceOf(second) !== undefined) await enrol(own, request.clientId, signal)
    return interpret(second, sessionSchema).value
  }
}

/** What the server wants signed, if it wants to know who asks. */
function nonceOf({ status, problem, headers }: Answer): string | undefined {
  if (status !== 401 || problem?.code !== 'unauthenticated') return undefined
  return /Backhaul-Key nonce="([^"\\]{1,100})"/.exec(String(headers['www-authenticate'] ?? ''))?.[1]
}

function unknown({ problem, retryAfterMs }: Answer): Refused {
  const detail =
    'The server wants to know who asks, and this site has no key there: give it an enrolment token (ENROL_TOKEN).'
  return new Refused(
    { type: 'about:blank', title: 'Unauthenticated', status: 401, code: 'unauthenticated', ...problem, detail },
    retryAfterMs,
  )
}
