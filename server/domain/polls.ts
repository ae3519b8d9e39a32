import { AppError } from '../../shared/errors.ts'
import type { UpdateOrder } from '../../shared/protocol.ts'
import type { Clock, DownloadRecord, JobStore } from '../ports.ts'
import { checkSession } from './guards.ts'
import type { Presence } from './presence.ts'
import { clientTopic } from './topics.ts'
import { toldOrder } from './updates.ts'
import type { Waiting } from './waiting.ts'

/** More open jobs than this are told once some of these are done. */
const JOBS_PER_POLL = 50
/** A store that was away when a poll was woken is asked again after this and up to as much more, in ms. */
const LOOK_AGAIN = 1000
/** Thousands of timers are cheap while their times are few, in ms. */
const TIMER_STEP = 50

export interface PollRequest {
  clientId: string
  session?: string | undefined
  /** The revision that the agent knows; without one, it waits for a first open job, or an order. */
  seen?: number | undefined
  /** How long the agent is ready to wait for an answer, in ms. */
  waitMs: number
  /** It was held to the end of its time, and nothing has happened since it was looked at. */
  quiet?: boolean
}

export interface News {
  rev: number
  jobs: DownloadRecord[]
  update: UpdateOrder | undefined
}

export interface Polls {
  /**
   * Calls `ready` once, when the poll is to be answered: there is news, it is refused, or its time is up.
   * A function and no promise, as thousands wait here: each of them is a timer and some hundred bytes.
   * @param ready is told whether the poll is quiet
   * @param mayStill whether the caller still has a right to the answer; asked at each wake, as a revocation is one
   * @returns ends the wait without `ready`, as when the caller has gone
   */
  hold(poll: PollRequest, waiter: { ready: (quiet: boolean) => void; mayStill: () => Promise<boolean> }): () => void
  /**
   * The open jobs, if they differ from what was seen; hands nothing over, and waits for nothing.
   * @throws AppError `session-superseded`, `session-unknown`; `shutting-down` once the server stops and there is no news
   */
  answer(poll: PollRequest): Promise<News | undefined>
}

export function createPolls(deps: { jobs: JobStore; presence: Presence; waiting: Waiting; clock: Clock }): Polls {
  const { jobs, presence, waiting, clock } = deps

  const read = async ({ clientId, session, seen }: PollRequest, limit: number): Promise<News | undefined> => {
    const { client, jobs: open } = await jobs.openJobs(clientId, limit)
    // Before the poll counts as a sign of life: one that is refused is none.
    if (session !== undefined) checkSession(client?.session ?? null, session)
    else if (!client) await jobs.recordContacts([{ clientId, at: clock.now() }])
    if (!client) return undefined
    // Who is in no session cannot tell what became of an order.
    const update = session === undefined ? undefined : toldOrder(client)
    const news = seen === undefined ? open.length > 0 || update !== undefined : client.rev !== seen
    return news ? { rev: client.rev, jobs: open, update } : undefined
  }

  return {
    hold(poll, { ready, mayStill }) {
      const { clientId, waitMs } = poll
      let over = false
      /** Looked at, and found without news, since the last wake. */
      let quiet = false
      let looks = 0
      let closed: ((cut: boolean) => void) | undefined
      let again: NodeJS.Timeout | undefined
      const end = (cut: boolean): void => {
        over = true
        clearTimeout(timer)
        clearTimeout(again)
        unwatch()
        closed?.(cut)
      }
      const release = (): void => {
        if (over) return
        end(false)
        ready(quiet)
      }
      const look = async (woken: boolean): Promise<void> => {
        quiet = false
        const mine = (looks += 1)
        const ended = waiting.stopped() || (woken && !(await mayStill()))
        if (ended || (await read(poll, 1)) !== undefined) release()
        else if (!over) {
          quiet = mine === looks
          closed ??= presence.pollOpened(clientId, waitMs)
        }
      }
      // What fails here fails in the answer, too, which says so. But a database that starts again is no reason to send
      // everybody away who has been waiting, and all of them back at once.
      const failed = (error: unknown): void => {
        if (!closed || !(error instanceof AppError) || error.code !== 'store-busy') release()
        else if (!over) again ??= setTimeout(lookAgain, LOOK_AGAIN * (1 + Math.random()))
      }
      const lookOrRelease = (woken: boolean): void => void look(woken).catch(failed)
      const lookAgain = (): void => {
        again = undefined
        lookOrRelease(true)
      }
      // Held for the wait less a little: many that began together do not end together.
      const ms = Math.ceil((waitMs * (1 - Math.random() / 4)) / TIMER_STEP) * TIMER_STEP
      const timer = setTimeout(release, Math.min(ms, waitMs))
      // Registered before the first read: a change between the two is not missed.
      const unwatch = waiting.watch([clientTopic(clientId)], () => lookOrRelease(true))
      lookOrRelease(false)
      return () => {
        if (!over) end(true)
      }
    },

    async answer(poll) {
      const news = poll.quiet ? undefined : await read(poll, JOBS_PER_POLL)
      presence.polled(poll.clientId, poll.waitMs)
      if (!news) waiting.checkGoingOn()
      return news
    },
  }
}
