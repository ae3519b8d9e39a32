import { AppError } from '../../shared/errors.ts'
import { defaults, PROTOCOL, type Session, type SessionRequest } from '../../shared/protocol.ts'
import type { Clock, JobStore, Observer, WakeBus } from '../ports.ts'
import type { Presence } from './presence.ts'
import { clientTopic } from './topics.ts'

/** With many agents, a first reconnect is spread so that about this many come in a second. */
const RECONNECTS_PER_SECOND = 200
const MAX_SPREAD_SECONDS = 60

export interface Sessions {
  /**
   * Begins a session; the newest wins.
   * @throws AppError `protocol-unsupported`, `session-held` (without takeover, while the other is alive), `session-superseded`
   */
  begin(request: SessionRequest): Promise<Session>
  /** Seconds over which agents should scatter their return. */
  spread(): number
}

export interface SessionsDeps {
  jobs: JobStore
  presence: Presence
  wakes: WakeBus
  observer: Observer
  clock: Clock
}

export function createSessions({ jobs, presence, wakes, observer, clock }: SessionsDeps): Sessions {
  const spread = (): number =>
    Math.min(MAX_SPREAD_SECONDS, Math.ceil(presence.aboutOnline() / RECONNECTS_PER_SECOND) + 1)

  const begin = async (request: SessionRequest): Promise<Session> => {
    if (request.protocol !== PROTOCOL) {
      throw new AppError('protocol-unsupported', `This server speaks protocol ${PROTOCOL}, not ${request.protocol}.`, {
        protocol: PROTOCOL,
      })
    }
    const at = clock.now()
    const client = await jobs.beginSession(request, at, (current) => {
      if (request.takeover || current.session === null || !presence.isOnline(current)) return
      throw new AppError(
        'session-held',
        `Another agent is alive as ${request.clientId}; give one of the two an id of its own.`,
      )
    })
    presence.contact(request.clientId)
    const { update } = client
    if (update?.state === 'installed' && update.changedAt === at) observer.updated(request.clientId, update)
    // A poll of the session before is held no longer.
    wakes.wake([clientTopic(request.clientId)])
    const { chunk, parallel, waitSeconds: wait } = defaults
    return { protocol: PROTOCOL, session: client.session ?? '', wait, chunk, parallel, spread: spread() }
  }

  return {
    spread,
    async begin(request) {
      try {
        return await begin(request)
      } catch (error) {
        if (error instanceof AppError && error.code === 'session-held') {
          await jobs.recordConflict({ clientId: request.clientId, at: clock.now(), hostname: request.agent.hostname })
        }
        throw error
      }
    },
  }
}
