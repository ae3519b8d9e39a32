import type { Log } from '../shared/log.ts'
import type { State } from './state.ts'

/** How long a poll is to stay open, learned from how long the way to the server lets it. */
export interface Pace {
  /** Whole seconds to ask for. */
  seconds(): number
  /** A poll was cut off, or never answered, at this age in ms. */
  cut(ageMs: number): void
  /** A gateway answered 504 at this age in ms: it said itself that it will not wait longer. */
  timedOut(ageMs: number): void
  /** A poll was held to its end. */
  uncut(): void
}

const SHORTEST = 5
const TO_GROW = 20

/** @param longest the server's own wait in seconds */
export function createPace({ longest, state, log }: { longest: number; state: State; log: Log }): Pace {
  const limit = Math.max(1, Math.min(longest, 3600))
  const shortest = Math.min(SHORTEST, limit)
  const within = (seconds: number): number => Math.min(limit, Math.max(shortest, seconds))
  let wait = within(state.wait() ?? limit)
  let lastCut: number | undefined
  let uncut = 0

  const change = (seconds: number): void => {
    lastCut = undefined
    uncut = 0
    if (within(seconds) === wait) return
    wait = within(seconds)
    log.info({ seconds: Math.round(wait) }, 'polls stay open for another time now')
    void state.rememberWait(wait)
  }
  // An answer that never came may have been cut without a word long before: then the wait counts, not the age.
  const shorten = (age: number): void => change(0.8 * Math.min(age, wait))

  // A connection lost this early, or a gateway that answers at once, says nothing about waiting.
  const tooEarly = (ageMs: number): boolean => ageMs / 1000 < 0.8 * SHORTEST

  return {
    seconds: () => Math.max(1, Math.round(wait)),
    cut(ageMs) {
      if (tooEarly(ageMs)) return
      const age = ageMs / 1000
      uncut = 0
      const again = lastCut !== undefined && Math.abs(age - lastCut) <= Math.max(1, 0.1 * lastCut)
      lastCut = age
      if (again) shorten(age)
    },
    timedOut(ageMs) {
      if (!tooEarly(ageMs)) shorten(ageMs / 1000)
    },
    uncut() {
      lastCut = undefined
      uncut += 1
      if (uncut < TO_GROW) return
      uncut = 0
      if (wait < limit) change(wait * 1.25)
    },
  }
}
