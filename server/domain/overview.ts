import type { Clock, JobStore } from '../ports.ts'
import type { Principal } from './access/principal.ts'
import { countOwn } from './own-counts.ts'
import type { Presence } from './presence.ts'
import { sparing, sparingBy } from './sparing.ts'

/** Tokens for some clients or paths whose counts are kept for when they ask again. */
const MOST_KEPT = 200

/** How many there are of what, at one moment. */
export interface Counts {
  /** Epoch ms. */
  at: number
  clients: { known: number; online: number }
  downloads: { queued: number; transferring: number; verifying: number }
}

/** Of everything, or of what the caller's token is for. */
export function createOverview({
  jobs,
  presence,
  clock,
}: {
  jobs: Pick<JobStore, 'countOpen' | 'clientsSeen' | 'listClients' | 'listDownloads'>
  presence: Pick<Presence, 'seenSince' | 'countOnline' | 'isOnline'>
  clock: Pick<Clock, 'now'>
}): (caller: Principal) => Promise<Counts> {
  const own = sparingBy<Counts>(MOST_KEPT)

  const all = sparing(async () => {
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

  return (caller) => {
    if (caller.kind !== 'operator' || (caller.clients === null && caller.paths === null)) return all()
    return own(caller.id, async () => ({ at: clock.now(), ...(await countOwn(caller, { jobs, presence })) }))
  }
}
