import { AppError } from '../../shared/errors.ts'
import type { WakeBus } from '../ports.ts'

export interface WaitOptions {
  /** How long to wait at most, in ms. */
  ms: number
  /** Ends the wait early, as when the caller has gone. */
  signal?: AbortSignal | undefined
}

export interface Waiting {
  /**
   * Reads until `read` gives something, again at each wake.
   * @returns what `read` gave, or undefined when the time was up or the signal aborted
   * @throws AppError `shutting-down` once the server stops
   */
  until<T>(topics: readonly string[], read: () => Promise<T | undefined>, options: WaitOptions): Promise<T | undefined>
  /**
   * Calls `wake` at every wake of the topics, and when the server stops.
   * @returns ends that
   */
  watch(topics: readonly string[], wake: () => void): () => void
  /** Whether the server stops. */
  stopped(): boolean
  /** @throws AppError `shutting-down` once the server stops */
  checkGoingOn(): void
  /** Ends every wait, and all that come. */
  stop(): void
}

/** Long polls and everything else that waits for a change of state. */
export function createWaiting({ wakes }: { wakes: WakeBus }): Waiting {
  const waiters = new Set<() => void>()
  let stopped = false

  const watch: Waiting['watch'] = (topics, wake) => {
    const unsubscribe = topics.map((topic) => wakes.subscribe(topic, wake))
    waiters.add(wake)
    return () => {
      for (const end of unsubscribe) end()
      waiters.delete(wake)
    }
  }

  const checkGoingOn = (): void => {
    if (stopped) throw new AppError('shutting-down', 'The server is stopping; come again in a moment.')
  }

  return {
    watch,
    checkGoingOn,
    stopped: () => stopped,

    async until(topics, read, { ms, signal }) {
      // performance.now() and not Date: a clock that jumps must not hold or drop a poll.
      const deadline = performance.now() + ms
      let woken = false
      let rouse = (): void => undefined
      const wake = (): void => {
        woken = true
        rouse()
      }
      // Registered before the first read: a change between the two is not missed.
      const unwatch = watch(topics, wake)
      signal?.addEventListener('abort', wake)
      try {
        for (;;) {
          woken = false
          const value = await read()
          if (value !== undefined) return value
          checkGoingOn()
          const left = deadline - performance.now()
          if (left <= 0 || signal?.aborted) return undefined
          if (!woken) await sleepUntilRoused(Math.min(left, wakes.lostFor ?? left), (resolve) => (rouse = resolve))
        }
      } finally {
        unwatch()
        signal?.removeEventListener('abort', wake)
      }
    },

    stop() {
      stopped = true
      for (const wake of waiters) wake()
    },
  }
}

function sleepUntilRoused(ms: number, onReady: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    onReady(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
