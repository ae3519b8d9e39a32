import type { Clock, DownloadRecord, JobStore } from '../ports.ts'
import { checkSession } from './guards.ts'
import type { Presence } from './presence.ts'
import { clientTopic } from './topics.ts'
import type { Waiting } from './waiting.ts'

/** More open jobs than this are told once some of these are done. */
const JOBS_PER_POLL = 50

export interface PollRequest {
  clientId: string
  session?: string | undefined
  /** The revision that the agent knows; without one, it waits for a first open job. */
  seen?: number | undefined
  waitMs: number
  signal: AbortSignal
}

export interface Polls {
  /** The open jobs as soon as they differ from what was seen; undefined at the end of the wait. Hands nothing over. */
  poll(request: PollRequest): Promise<{ rev: number; jobs: DownloadRecord[] } | undefined>
}

export function createPolls(deps: { jobs: JobStore; presence: Presence; waiting: Waiting; clock: Clock }): Polls {
  const { jobs, presence, waiting, clock } = deps
  return {
    async poll({ clientId, session, seen, waitMs, signal }) {
      const read = async (): Promise<{ rev: number; jobs: DownloadRecord[] } | undefined> => {
        const { client, jobs: open } = await jobs.openJobs(clientId, JOBS_PER_POLL)
        if (session !== undefined) checkSession(client?.session ?? null, session)
        if (!client) return undefined
        const news = seen === undefined ? open.length > 0 : client.rev !== seen
        return news ? { rev: client.rev, jobs: open } : undefined
      }
      const known = await jobs.findClient(clientId)
      // Before the poll counts as a sign of life: one that is refused is none.
      if (session !== undefined) checkSession(known?.session ?? null, session)
      else if (!known) await jobs.recordContacts([{ clientId, at: clock.now() }])
      const closed = presence.pollOpened(clientId, waitMs)
      try {
        // Held for the wait less a little: many that began together do not end together.
        return await waiting.until([clientTopic(clientId)], read, { ms: waitMs * (1 - Math.random() / 16), signal })
      } finally {
        closed(signal.aborted)
        // The answer can still find nobody there.
        signal.addEventListener('abort', () => presence.lost(clientId), { once: true })
      }
    },
  }
}
