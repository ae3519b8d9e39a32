import type { Overview } from '../../../shared/operator.ts'
import { call } from './api.ts'

/** In ms: counts are asked for so often at most. */
const CLOSEST = 5_000

export interface Counts {
  /** @throws Refused, Unreachable */
  latest(): Promise<Overview>
  /** In ms: when to ask again, if the last answer was an older one; undefined: need not be. */
  again(): number | undefined
}

/** Counts that are asked for now and then. */
export function createCounts(): Counts {
  let latest: { at: number; overview: Overview } | undefined
  let older = false
  return {
    async latest() {
      older = latest !== undefined && performance.now() - latest.at < CLOSEST
      if (latest && older) return latest.overview
      const at = performance.now()
      latest = { at, overview: await call<Overview>('/overview') }
      return latest.overview
    },
    again: () => (older ? CLOSEST : undefined),
  }
}
