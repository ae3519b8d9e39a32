const HOUR = 60 * 60_000
const FIRST_PAUSE = 5_000
export const LONGEST_PAUSE = 12 * HOUR
/** From the event on, in ms. */
export const TRIED_FOR = 3 * 24 * HOUR

/**
 * How long to wait after so many attempts in vain, in ms: 5 s, and twice as long each time, up to 12 h. Up to half of it is left
 * to chance, so that what failed together does not come again together; what the endpoint asks for (`retryAfter`) is waited at least.
 */
export function pauseAfter(attempts: number, retryAfter = 0, random = Math.random()): number {
  const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(attempts, 30))
  return Math.max(retryAfter, longest * (1 - random / 2))
}
