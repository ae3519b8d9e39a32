import type { WakeBus } from '../ports.ts'

/** Wakes of one process, which know for whom they are. */
export interface LocalWakes extends WakeBus {
  /** What somebody waits for now. */
  topics(): string[]
}

/** Wakes within this process. Listeners run at once and must not throw. */
export function createLocalWakes(): LocalWakes {
  const listeners = new Map<string, Set<() => void>>()
  return {
    lostFor: undefined,
    wake(topics) {
      for (const topic of topics) {
        for (const listener of listeners.get(topic) ?? []) listener()
      }
    },
    subscribe(topic, listener) {
      const set = listeners.get(topic) ?? new Set()
      listeners.set(topic, set.add(listener))
      return () => {
        set.delete(listener)
        if (set.size === 0 && listeners.get(topic) === set) listeners.delete(topic)
      }
    },
    topics: () => [...listeners.keys()],
    close: async () => undefined,
  }
}
