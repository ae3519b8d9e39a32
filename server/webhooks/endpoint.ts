import { collect, type CollectDeps } from './collect.ts'
import { createDeliver, type DeliverDeps, type Write } from './deliver.ts'

/** Requests that are under way to one endpoint. */
const AT_ONCE = 2

export interface EndpointRuns {
  /** Sends what is due, unless that is going on already. */
  go(): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export interface EndpointDeps extends CollectDeps, DeliverDeps {
  /** Whether it is this server that sends. */
  isMine: () => Promise<boolean>
  /** Aborts once another may send. */
  certain: () => AbortSignal
  /** Aborts when the server stops. */
  signal: AbortSignal
}

/** What one endpoint is told. It has nothing in common with the others: one that is slow, or away, holds none of them up. */
export function createEndpoint(deps: EndpointDeps): EndpointRuns {
  const { endpoint, webhooks, clock, log, count, signal, isMine, certain } = deps
  const { key, shown } = endpoint
  const deliver = createDeliver(deps)
  /** What cannot be written down yet: until it is, nothing else is sent, or the same would be sent again and again. */
  const unwritten: Write[] = []

  const look = async (): Promise<boolean> => {
    const { more, begun, lost, dropped } = await collect(endpoint, deps)
    if (begun) log.info({ endpoint: shown }, 'webhooks tell what happens from now on')
    if (lost) log.warn({ endpoint: shown }, 'webhooks tell what happens from now on: the log of events begins anew')
    if (dropped > 0) {
      log.warn({ endpoint: shown, deliveries: dropped }, 'too many webhooks wait: the oldest are given up')
      count('given-up', dropped)
    }
    return more
  }

  const write = async (): Promise<void> => {
    for (let next = unwritten[0]; next; next = unwritten[0]) {
      await next()
      unwritten.shift()
    }
  }

  const run = async (): Promise<void> => {
    for (let more = true; more;) {
      await write()
      // Taken before the question: what comes between counts.
      const sure = AbortSignal.any([signal, certain()])
      if (signal.aborted || !(await isMine())) return
      more = await look()
      const due = await webhooks.due(key, clock.now(), AT_ONCE)
      const outcomes = await Promise.all(due.map((delivery) => deliver(delivery, sure)))
      unwritten.push(...outcomes.filter((outcome) => outcome !== undefined))
      more ||= due.length > 0
    }
  }

  let isTold = false
  let running: Promise<void> | undefined
  const runOrReport = async (): Promise<void> => {
    try {
      await run()
      isTold = false
    } catch (error) {
      if (!isTold) log.error({ err: error }, 'webhooks wait: the database cannot be used; it is tried again')
      isTold = true
    }
  }

  return {
    go() {
      running ??= runOrReport().finally(() => (running = undefined))
    },
    idle: async () => running,
  }
}
