import type { Access } from './domain/access/index.ts'
import type { Domain } from './domain/index.ts'
import type { Webhooks } from './webhooks/index.ts'

const EXPIRE_EVERY = 1_000
const SEND_EVERY = 1_000
const GO_ON_EVERY = 5_000
const FLUSH_EVERY = 60_000
const TIDY_EVERY = 10 * 60_000

/**
 * Starts what the server does by itself: now, and from time to time.
 * @returns a function that stops it
 */
export function startTimers({
  domain,
  access,
  webhooks,
  report,
}: {
  domain: Domain
  access: Access
  /** Where they are sent. */
  webhooks: Webhooks | undefined
  report: (error: unknown) => void
}): () => void {
  const every = (ms: number, task: () => Promise<void>): NodeJS.Timeout => {
    let running = false
    const run = (): void => {
      if (running) return
      running = true
      task()
        .catch(report)
        .finally(() => (running = false))
    }
    run()
    return setInterval(run, ms)
  }
  const timers = [
    every(EXPIRE_EVERY, domain.sweeper.expire),
    every(GO_ON_EVERY, domain.sweeper.goOn),
    every(FLUSH_EVERY, domain.presence.flush),
    every(GO_ON_EVERY, access.audit.catchUp),
    // Each by itself: where one fails, the others are done all the same.
    every(TIDY_EVERY, domain.sweeper.removeLeftovers),
    every(TIDY_EVERY, domain.sweeper.removeContent),
    every(TIDY_EVERY, domain.sweeper.forget),
    every(TIDY_EVERY, domain.sweeper.forgetEvents),
    every(TIDY_EVERY, access.credentials.sweep),
  ]
  if (webhooks) timers.push(every(SEND_EVERY, webhooks.step))
  return () => timers.forEach(clearInterval)
}
