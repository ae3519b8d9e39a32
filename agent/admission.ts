import { z } from 'zod'
import { messageOf } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import { sessionSchema, type Session, type SessionRequest } from '../shared/protocol.ts'
import { bearer, interpret, isRefused, Refused } from './api.ts'
import type { Credential, Keys } from './credential.ts'
import type { Answer, Http } from './http.ts'
import { TransientError } from './retry.ts'

/** Begins a session once, and proves who asks where the server wants that. */
export type Admission = (request: SessionRequest, signal: AbortSignal) => Promise<Session>

export interface AdmissionDeps {
  http: Http
  /** Of the server, as this site calls it. */
  origin: string
  keys: Keys
  /** Traded for the key's enrolment, once. */
  enrolToken: string | undefined
  /** How old a key may become, in ms; undefined for any age. */
  keyAge: number | undefined
  log: Log
}

const LIMIT_MS = 30_000
const enrolledSchema = z.object({ id: z.uuid() })

/** @throws Refused, TransientError, the signal's reason */
export function createAdmission({ http, origin, keys, enrolToken, keyAge, log }: AdmissionDeps): Admission {
  const post = (path: string, json: unknown, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> =>
    http.request({ method: 'POST', path, json, headers, limitMs: LIMIT_MS, signal })

  /** Makes a key known to the server. A lost answer does no harm: the same key is enrolled once. */
  const register = async (
    key: Credential,
    clientId: string,
    leave: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> => {
    const answer = await post('/credentials', { clientId, publicKey: key.publicKey }, leave, signal)
    await key.enrolled(interpret(answer, enrolledSchema).value.id)
  }

  /** Another key in place of one that was revoked, which stays so. */
  const replace = async (leave: Record<string, string>, clientId: string, signal: AbortSignal): Promise<Credential> => {
    // One that a lost answer or a crash left is tried again: the token may be good for one alone.
    const next = (await keys.next()) ?? (await keys.make())
    await registerNext(next, clientId, leave, signal)
    await keys.promote()
    log.warn({ clientId }, 'the key of this site was revoked, and its enrolment token is good: the site has a new one')
    return keys.current()
  }

  /** @returns the key that the server knows from now on */
  const enrol = async (token: string, own: Credential, clientId: string, signal: AbortSignal): Promise<Credential> => {
    try {
      await register(own, clientId, bearer(token), signal)
    } catch (error) {
      if (!isRefused(error, 'key-revoked')) throw error
      return replace(bearer(token), clientId, signal)
    }
    log.info({ clientId }, 'enrolled: the server knows the key of this site')
    return own
  }

  const begin = (key: Credential, nonce: string, request: SessionRequest, signal: AbortSignal): Promise<Answer> => {
    const authorization = key.prove({ purpose: 'session', nonce, subject: request.instance, origin })
    return post('/sessions', request, { authorization }, signal)
  }

  /** A next key that was revoked before its first use makes way for another. */
  const registerNext = async (
    next: Credential,
    clientId: string,
    leave: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> => {
    try {
      await register(next, clientId, leave, signal)
    } catch (error) {
      if (isRefused(error, 'key-revoked')) await keys.drop()
      throw error
    }
  }

  /** The next key, saved before the server hears of it; the server takes it for good when it is used first. */
  const nextKey = async (
    current: Credential,
    nonce: string,
    clientId: string,
    signal: AbortSignal,
  ): Promise<Credential | undefined> => {
    const due = keyAge !== undefined && (await keys.age()) >= keyAge
    const next = (await keys.next()) ?? (due ? await keys.make() : undefined)
    if (next && next.id === undefined) {
      const authorization = current.prove({ purpose: 'credential', nonce, subject: next.publicKey, origin })
      await registerNext(next, clientId, { authorization }, signal)
    }
    return next
  }

  /** With the next key, if there is one and the server takes it: the one in use may still work where it does not. */
  const byNext = async (
    current: Credential,
    nonce: string,
    request: SessionRequest,
    signal: AbortSignal,
  ): Promise<{ session?: Session; unanswered?: TransientError }> => {
    const next = await nextKey(current, nonce, request.clientId, signal).catch((error: unknown) => {
      if (signal.aborted) throw error
      notReplaced(error)
    })
    if (!next) return {}
    try {
      const answer = await begin(next, nonce, request, signal)
      if (nonceOf(answer) !== undefined) return {}
      const session = interpret(answer, sessionSchema).value
      await takenOver(request.clientId)
      return { session }
    } catch (error) {
      if (!(error instanceof TransientError)) throw error
      notReplaced(error)
      return { unanswered: error }
    }
  }

  const notReplaced = (error: unknown): void =>
    log.warn(
      { error: printable(messageOf(error)) },
      'the key of this site could not be replaced; it is tried again with the next session',
    )

  /** The session is good, whatever the disk says: the next one begins with the same key again. */
  const takenOver = async (clientId: string): Promise<void> => {
    try {
      await keys.promote()
      log.info({ clientId }, 'the site has a new key; the one before is revoked')
    } catch (error) {
      log.warn(
        { error: printable(messageOf(error)) },
        'the new key of this site is in use, but cannot be put in place of the old one; it is tried again with the next session',
      )
    }
  }

  /** The server took the key in use, so it never saw the next one used: another can be made. */
  const dropUnused = async (): Promise<void> => {
    try {
      const next = await keys.next()
      if (next?.id !== undefined) await keys.drop()
    } catch (error) {
      notReplaced(error)
    }
  }

  return async (request, signal) => {
    const first = await post('/sessions', request, {}, signal)
    const nonce = nonceOf(first)
    if (nonce === undefined) return interpret(first, sessionSchema).value
    const own = await keys.current()
    if (own.id === undefined && enrolToken === undefined) throw unknown(first, request.clientId)
    const key = own.id === undefined ? await enrol(enrolToken ?? '', own, request.clientId, signal) : own
    const renewed = await byNext(key, nonce, request, signal)
    if (renewed.session) return renewed.session
    const answer = await begin(key, nonce, request, signal)
    const again = nonceOf(answer)
    // The server may have taken the next key, and only the answer was lost: then it is the one that works.
    if (again !== undefined && renewed.unanswered) throw renewed.unanswered
    const session = interpret(
      // The key was revoked, or the server lost its database and knows it no more.
      again === undefined || enrolToken === undefined
        ? answer
        : await begin(await enrol(enrolToken, key, request.clientId, signal), again, request, signal),
      sessionSchema,
    ).value
    // What was not answered may still arrive, and revoke the key in use.
    if (!renewed.unanswered) await dropUnused()
    return session
  }
}

/** What the server wants signed, if it wants to know who asks. */
function nonceOf({ status, problem, headers }: Answer): string | undefined {
  if (status !== 401 || problem?.code !== 'unauthenticated') return undefined
  return /Backhaul-Key nonce="([^"\\]{1,100})"/.exec(String(headers['www-authenticate'] ?? ''))?.[1]
}

function unknown({ retryAfterMs }: Answer, clientId: string): Refused {
  const detail =
    'The server wants to know who asks, and this site has no key there: give it an enrolment token (--enrol-file or ' +
    `ENROL_TOKEN), which an admin makes: backhaul enrol ${clientId}.`
  const code = 'unauthenticated'
  return new Refused({ type: 'about:blank', title: 'Unauthenticated', status: 401, code, detail }, retryAfterMs)
}
