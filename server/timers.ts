import type { Domain } from './domain/index.ts'

const EXPIRE_EVERY = 1_000
const VERIFY_EVERY = 5_000
const FLUSH_EVERY = 60_000
const TIDY_EVERY = 10 * 60_000

/**
 * Starts what the server does by itself from time to time.
 * @returns a function that stops it
 */
export function startTimers({ domain, report }: { domain: Domain; report: (error: unknown) => void }): () => void {
  const every = (ms: number, task: () => Promise<void>): NodeJS.Timeout => {
    let running = false
    return setInterval(() => {
      if (running) return
      running = true
      task()
        .catch(report)
        .finally(() => (running = false))
    }, ms)
  }
  const timers = [
    every(EXPIRE_EVERY, domain.sweeper.expire),
    every(VERIFY_EVERY, domain.sweeper.verifyLeft),
    every(FLUSH_EVERY, domain.presence.flush),
    every(TIDY_EVERY, domain.sweeper.tidy),
  ]
  return () => timers.forEach(clearInterval)
}
