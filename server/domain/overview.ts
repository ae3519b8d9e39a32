import type { Clock, JobStore } from '../ports.ts'
import type { Presence } from './presence.ts'
import { sparing } from './sparing.ts'

/** How many there are of what, at one moment. */
export interface Counts {
  /** Epoch ms. */
  at: number
  clients: { known: number; online: number }
  downloads: { queued: number; transferring: number; verifying: number }
}

export function createOverview({
  jobs,
  presence,
  clock,
}: {
  jobs: Pick<JobStore, 'countOpen' | 'clientsSeen'>
  presence: Pick<Presence, 'seenSince' | 'countOnline'>
  clock: Pick<Clock, 'now'>
}): () => Promise<Counts> {
  return sparing(async () => {
    const { known, seen } = await jobs.clientsSeen(presence.seenSince())
    const open = await jobs.countOpen()
    const count = (status: string): number => open.find((each) => each.status === status)?.count ?? 0
    return {
      at: clock.now(),
      clients: { known, online: presence.countOnline(seen) },
      downloads: {
        queued: count('queued'),
        transferring: count('transferring'),
        verifying: count('verifying'),
      },
    }
  })
}
