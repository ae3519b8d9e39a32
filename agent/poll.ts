import { z } from 'zod'
import { headers, jobsSchema, type Job, type UpdateOrder } from '../shared/protocol.ts'
import { pause } from '../shared/wait.ts'
import { interpret, type Api } from './api.ts'
import type { Answer } from './http.ts'
import type { Pace } from './pace.ts'
import { TransientError, type Retry } from './retry.ts'

export interface Poll {
  /**
   * Polls until the signal aborts.
   * @throws Refused, the signal's reason
   */
  run(signal: AbortSignal): Promise<never>
  /** Asks again at once, for the whole list. */
  refresh(): void
}

export interface PollDeps {
  api: Api
  retry: Retry
  pace: Pace
  clientId: string
  /** Seconds over which to scatter the first try after the server was lost, until an answer says another number. */
  spread: number
  urgent: () => boolean
  onJobs: (jobs: readonly Job[]) => void
  onUpdate: (order: UpdateOrder | undefined) => void
  onContact: (connected: boolean) => void
}

type List = z.infer<typeof jobsSchema>

/** An answer this late after the wait will not come any more, in ms. */
const GRACE_MS = 10_000
const MAX_SPREAD = 300
/** A job that begins now takes the connection that is open already; the next poll can wait so long for another, in ms. */
const GIVE_WAY_MS = 30
/** Polls that bring nothing new follow each other no faster, in ms. */
const SHORTEST_MS = 900

/** One poll after the other, for as long as the session lasts: the heartbeat, and how jobs and cancellations arrive. */
export function createPoll({
  api,
  retry,
  pace,
  clientId,
  spread,
  urgent,
  onJobs,
  onUpdate,
  onContact,
}: PollDeps): Poll {
  let seen: number | undefined
  let current: AbortController | undefined
  let spreadSeconds = spread

  const ask = (wait: number, signal: AbortSignal): Promise<Answer> => {
    const known = seen === undefined ? '' : `&seen=${seen}`
    return api.send({
      method: 'GET',
      path: `/jobs?client=${clientId}${known}`,
      headers: { prefer: `wait=${wait}` },
      limitMs: wait * 1000 + GRACE_MS,
      signal,
    })
  }

  const notePace = (error: TransientError, ageMs: number): void => {
    if (error.status === 504) pace.timedOut(ageMs)
    else if (error.cut) pace.cut(ageMs)
  }

  /** @returns undefined when nothing changed until the end of the wait */
  const pollOnce = async (signal: AbortSignal): Promise<List | undefined> => {
    const startedAt = performance.now()
    try {
      const answer = await ask(pace.seconds(), signal)
      const list = answer.status === 204 ? undefined : interpret(answer, jobsSchema).value
      onContact(true)
      spreadSeconds = spreadOf(answer) ?? spreadSeconds
      if (!list) pace.uncut()
      return list
    } catch (error) {
      if (error instanceof TransientError) {
        onContact(false)
        notePace(error, performance.now() - startedAt)
      }
      throw error
    }
  }

  const next = async (signal: AbortSignal): Promise<void> => {
    current = new AbortController()
    const either = AbortSignal.any([signal, current.signal])
    try {
      const startedAt = performance.now()
      const list = await retry.persist(() => pollOnce(either), {
        what: 'ask the server for jobs',
        signal: either,
        urgent,
        firstDelayMs: () => Math.random() * Math.min(spreadSeconds, MAX_SPREAD) * 1000,
      })
      const news = list !== undefined && list.rev !== seen
      if (list) {
        seen = list.rev
        onJobs(list.jobs)
        onUpdate(list.update)
      }
      // Something on the way does not let a poll wait, or answers from memory: no reason to ask a thousand times.
      await pause(news ? GIVE_WAY_MS : startedAt + SHORTEST_MS - performance.now(), either)
    } catch (error) {
      if (signal.aborted || !current.signal.aborted) throw error
    }
  }

  return {
    async run(signal) {
      for (;;) {
        signal.throwIfAborted()
        await next(signal)
      }
    },
    refresh() {
      seen = undefined
      current?.abort(new Error('the list is asked for again'))
    },
  }
}

/** How many there are changes while a session lasts, and the spread with it. @returns seconds, if the answer says any */
function spreadOf(answer: Answer): number | undefined {
  const text = answer.headers[headers.spread.toLowerCase()]
  return typeof text === 'string' && /^\d{1,4}$/.test(text) ? Number(text) : undefined
}
