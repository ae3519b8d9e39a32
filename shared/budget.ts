/** An amount of memory that is shared: who finds none left waits until others give theirs back. */
export interface Budget {
  /**
   * Waits for its turn, first come, first served. Who wants more than there is at all gets all of it.
   * @param bytes what is wanted
   * @returns gives it back; to be called once
   * @throws the signal's reason when it aborts before
   */
  reserve(bytes: number, signal: AbortSignal): Promise<() => void>
}

interface Waiting {
  bytes: number
  admit(): void
}

/** @param total bytes */
export function createBudget(total: number): Budget {
  let free = total
  let waiting: Waiting[] = []

  const admit = (): void => {
    for (let [next] = waiting; next && next.bytes <= free; [next] = waiting) {
      waiting = waiting.slice(1)
      free -= next.bytes
      next.admit()
    }
  }

  return {
    async reserve(wanted, signal) {
      if (signal.aborted) throw signal.reason
      const bytes = Math.min(wanted, total)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const mine = { bytes, admit: resolve }
      const leave = (): void => {
        waiting = waiting.filter((other) => other !== mine)
        reject(signal.reason)
        admit()
      }
      waiting.push(mine)
      signal.addEventListener('abort', leave)
      admit()
      try {
        await promise
      } finally {
        signal.removeEventListener('abort', leave)
      }
      return () => {
        free += bytes
        admit()
      }
    },
  }
}
