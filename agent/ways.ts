import type { Log } from '../shared/log.ts'
import { createByServer, type ByServerDeps } from './by-server.ts'
import { createByStore, type ByStoreDeps } from './by-store.ts'
import type { Send } from './way.ts'

/** The store failed so often in a row, and for so long, in ms, while the server answered: something keeps us from it. */
const FAILURES = 4
const FAILING_MS = 10_000

export interface WaysDeps extends ByServerDeps, Omit<ByStoreDeps, 'onWorked' | 'onFailed' | 'onUseless'> {
  /** Whether the server says that chunks may go straight to the store. */
  direct: boolean
  log: Log
  /** Monotonic ms. */
  now?: () => number
}

/** The ways of one job's chunks: straight to the store where the server offers that, and for as long as it leads there. */
export function createWays({ direct, log, now = () => performance.now(), ...deps }: WaysDeps): Send {
  let leadsThere = direct
  let failing: { since: number; count: number } | undefined

  const giveUp = (why: string): void => {
    if (!leadsThere) return
    leadsThere = false
    log.warn(
      { id: deps.target.id },
      `the rest of this file goes by way of the server, not straight to its store: ${why}`,
    )
  }

  const byServer = createByServer(deps)
  const byStore = createByStore({
    ...deps,
    onWorked: () => void (failing = undefined),
    onFailed(why) {
      failing = { since: failing?.since ?? now(), count: (failing?.count ?? 0) + 1 }
      if (failing.count >= FAILURES && now() - failing.since >= FAILING_MS) giveUp(why)
    },
    onUseless: giveUp,
  })

  return (chunk, signal) => (leadsThere ? byStore : byServer)(chunk, signal)
}
