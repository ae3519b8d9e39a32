import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Progress } from '../shared/progress.ts'
import type { Session } from '../shared/protocol.ts'
import { fullJitter } from '../shared/wait.ts'
import { createAdmission } from './admission.ts'
import { createApi } from './api.ts'
import type { Shared } from './allow.ts'
import type { Keys } from './credential.ts'
import { createFlow, FIRST_CONNECTIONS } from './flow.ts'
import { createHashers } from './hasher.ts'
import { createIdle } from './idle.ts'
import type { Http } from './http.ts'
import type { JobView } from './job.ts'
import { createJobs } from './jobs.ts'
import { keyIsDue } from './key-age.ts'
import { createLanes } from './lanes.ts'
import type { Limiter } from './limiter.ts'
import { createChunkLimits } from './limits.ts'
import { createPace } from './pace.ts'
import { createPatience } from './patience.ts'
import { createPoll } from './poll.ts'
import type { ReadLog } from './read-log.ts'
import type { Retry } from './retry.ts'
import { createSessions, type Identity } from './session.ts'
import type { Standing } from './standing.ts'
import type { State } from './state.ts'
import type { StoreHttp } from './store-http.ts'
import { createUpdates, type UpdatesDeps } from './update/updates.ts'

export interface AgentView {
  connected: boolean
  session: string | null
  jobs: JobView[]
}

export interface Agent {
  /** Serves until the signal aborts, then ends every job; never throws. */
  run(signal: AbortSignal): Promise<void>
  view(): AgentView
}

export interface AgentDeps {
  http: Http
  storeHttp: StoreHttp
  retry: Retry
  state: State
  log: Log
  progress: Progress
  identity: Identity
  readLog: ReadLog
  /** Of the server, as this site calls it. */
  origin: string
  /** How the site proves who it is, where the server wants that. */
  keys: Keys
  /** What it gets its credential for, once. */
  enrolToken: string | undefined
  /** How old a key may become, in ms. */
  keyAge: number | undefined
  shared: Shared
  /** The user's own limit on chunks, in bytes. */
  chunkSize: number | undefined
  /** Whether chunks may go to other addresses than the server's. */
  direct: boolean
  limiter: Limiter
  /** Told of everything that whoever runs the machine wants to know. */
  standing: Standing
  /** How this agent is updated. */
  update: Pick<UpdatesDeps, 'dir' | 'outcomeFile'>
  /** No poll is to stay open for longer, in ms. */
  longestPollMs: number
}

/** Bytes of all chunks that are being sent, however many jobs there are. */
const BUDGET = 11 * 1024 * 1024

/** One session after the other, for ever. */
export function createAgent(deps: AgentDeps): Agent {
  const { http, retry, state, log, identity, keys, keyAge, standing } = deps
  const sessions = createSessions({ ...deps, admit: createAdmission(deps) })
  const limits = createChunkLimits({ cap: deps.chunkSize, passing: deps.limiter.chunk, state, log })
  const patience = createPatience()
  const hashers = createHashers()
  const idle = createIdle({ hashers, connections: [http, deps.storeHttp] })
  const lanes = createLanes({ count: FIRST_CONNECTIONS, budget: BUDGET })
  const flow = createFlow({
    budget: BUDGET,
    // Under a limit the line is not what holds back.
    busy: () => lanes.busy() && deps.limiter.rate() === Number.POSITIVE_INFINITY,
    onConnections: lanes.resize,
    roundTripMs: http.roundTripMs,
    measureRoundTrip: http.measureRoundTrip,
    preferred: deps.limiter.preferred,
    now: () => performance.now(),
  })
  let connected = false
  let session: string | null = null
  let jobViews: () => JobView[] = () => []

  const onContact = (now: boolean): void => {
    if (now && !connected) log.info('connected')
    connected = now
    standing.contact(now)
  }

  const onCount = (count: number): void => {
    standing.files(count)
    idle.jobs(count)
  }

  /** Serves a session until it is over. @returns the code that ended it, or undefined when the agent stops */
  const serve = async (current: Session, signal: AbortSignal): Promise<string | undefined> => {
    const over = new AbortController()
    let code: string | undefined
    const onSessionEnd = (ended: string): void => {
      code ??= ended
      over.abort(new Error(`the session is over (${ended})`))
    }
    const api = createApi({ http, retry, session: current, onSessionEnd })
    const ending = AbortSignal.any([signal, over.signal])
    const jobs = createJobs({
      ...deps,
      api,
      lanes,
      hashers,
      flow,
      limits,
      patience,
      onWanted: () => poll.refresh(),
      onCount,
    })
    const updates = createUpdates({ ...deps, ...deps.update, ...identity.agent, clientId: identity.clientId, api })
    const poll = createPoll({
      api,
      retry,
      pace: createPace({ longest: Math.min(current.wait, deps.longestPollMs / 1000), state, log }),
      clientId: identity.clientId,
      spread: current.spread,
      urgent: jobs.busy,
      onJobs: jobs.reconcile,
      onUpdate: updates.reconcile,
      onContact,
    })
    jobViews = jobs.views
    // A server that asks nobody has given no token, and knows no key.
    if (keyAge !== undefined && current.token !== undefined) {
      const due = keyIsDue({ keys, keyAge, busy: jobs.busy, log, signal: ending })
      // What ends the session ends the wait.
      due.then(() => onSessionEnd('key-due')).catch(() => undefined)
    }
    try {
      return await poll.run(ending)
    } catch (error) {
      if (signal.aborted) return undefined
      if (code === undefined) log.error(`the session ended unexpectedly: ${messageOf(error)}`)
      return code ?? 'unexpected'
    } finally {
      await Promise.all([jobs.stop(), updates.stop()])
    }
  }

  const rounds = async (signal: AbortSignal): Promise<void> => {
    let takeover = true
    for (let short = 0; !signal.aborted;) {
      const current = await sessions.begin(takeover, signal)
      session = current.session
      onContact(true)
      log.info({ session, clientId: identity.clientId }, 'session begun')
      const startedAt = performance.now()
      const code = await serve(current, signal)
      session = null
      connected = false
      if (code === 'key-due') log.info('the key of this site is as old as it may become: a session with another begins')
      takeover = code !== 'session-superseded'
      if (code === 'session-superseded') {
        log.warn(
          { clientId: identity.clientId },
          'another agent runs under this id and has taken over. Give one of the two an id of its own (--id)',
        )
      }
      // A session that ends as soon as it began would otherwise make a circle without a pause.
      short = performance.now() - startedAt < 10_000 ? short + 1 : 0
      if (short > 1) await retry.rest(fullJitter(short, { baseMs: 500, capMs: 60_000 }), signal)
    }
  }

  return {
    async run(signal) {
      while (!signal.aborted) {
        try {
          await rounds(signal)
        } catch (error) {
          if (signal.aborted) return
          log.error(`something unexpected happened, beginning anew: ${messageOf(error)}`)
          await retry.rest(fullJitter(4, { baseMs: 500, capMs: 60_000 }), signal)
        }
      }
    },
    view: () => ({ connected, session, jobs: jobViews() }),
  }
}
