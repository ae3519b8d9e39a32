import type { Overview } from '../../../shared/operator.ts'
import { call } from './api.ts'

/** In ms: counts are asked for so often at most. */
const CLOSEST = 5_000

/** Counts that are asked for now and then. */
export function createCounts(): { latest(): Promise<Overview> } {
  let latest: { at: number; overview: Overview } | undefined
  return {
    async latest() {
      if (latest && performance.now() - latest.at < CLOSEST) return latest.overview
      const at = performance.now()
      latest = { at, overview: await call<Overview>('/overview') }
      return latest.overview
    },
  }
}
