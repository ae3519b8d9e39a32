import type { WakeBus } from '../ports.ts'

/** Wakes within this process. Listeners run at once and must not throw. */
export function createLocalWakes(): WakeBus {
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
    close: async () => undefined,
  }
}
