import { randomBytes } from 'node:crypto'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import { PROTOCOL, type Session, type SessionRequest } from '../shared/protocol.ts'
import type { Admission } from './admission.ts'
import { isRefused } from './api.ts'
import { TransientError, type Retry } from './retry.ts'
import type { Standing } from './standing.ts'
import type { State } from './state.ts'

export interface Sessions {
  /**
   * Begins a session, however long it takes.
   * @param takeover whether to end another agent's session under the same id; without it, wait until there is none alive
   * @throws the signal's reason
   */
  begin(takeover: boolean, signal: AbortSignal): Promise<Session>
}

export type Identity = Pick<SessionRequest, 'clientId' | 'agent' | 'shared' | 'labels'>

const ASK_AGAIN_MS = 60_000

export function createSessions({
  admit,
  retry,
  identity,
  state,
  log,
  standing,
}: {
  admit: Admission
  retry: Retry
  identity: Identity
  state: Pick<State, 'underWay'>
  log: Log
  standing: Pick<Standing, 'contact' | 'refused'>
}): Sessions {
  /** One instance, asked for until there is an answer: a lost answer must not make a second session. */
  const ask = (takeover: boolean, agent: Identity['agent'], signal: AbortSignal): Promise<Session> => {
    const json: SessionRequest = {
      protocol: PROTOCOL,
      instance: randomBytes(18).toString('base64url'),
      takeover,
      ...identity,
      agent,
    }
    const tryOnce = (): Promise<Session> =>
      admit(json, signal).catch((error: unknown) => {
        // The last session may have ended while there was a line.
        if (error instanceof TransientError) standing.contact(false)
        throw error
      })
    return retry.persist(tryOnce, { what: 'begin a session', signal, urgent: state.underWay })
  }

  return {
    async begin(takeover, signal) {
      let { agent } = identity
      for (let patient = !takeover; ;) {
        try {
          return await ask(!patient, agent, signal)
        } catch (error) {
          if (!isRefused(error)) throw error
          if (isRefused(error, 'invalid') && agent.updates) {
            // A server of before there were updates takes nothing that it does not know.
            const { updates: _, ...known } = agent
            agent = known
            continue
          }
          // Another agent is alive under this id: two that take over from each other would never end.
          if (isRefused(error, 'session-held', 'session-superseded')) patient = true
          log.warn(`no session: ${printable(error.message)} Asking again in about a minute`)
          standing.refused(error.message)
          await retry.rest(ASK_AGAIN_MS * (0.75 + Math.random() / 2), signal)
          signal.throwIfAborted()
        }
      }
    },
  }
}
