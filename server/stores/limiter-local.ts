import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { MakeLimiter } from '../access-ports.ts'

/** Counts in this process. */
export const makeLocalLimiter: MakeLimiter = ({ points, seconds }) =>
  new RateLimiterMemory({ points, duration: seconds })
