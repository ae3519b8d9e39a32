import { createRandom } from '../random.ts'
import { planAsks, type AskPlan } from './asks.ts'
import { planFaults, type FaultName, type FaultPlan } from './faults.ts'
import { planFiles, type FilePlan } from './files.ts'
import { scaleOf, type Scale } from './scale.ts'

/** Everything that the harness does in a run. */
export interface Plan {
  seed: number
  scale: Scale
  files: FilePlan[]
  asks: AskPlan[]
  faults: FaultPlan[]
}

/** The same for the same seed. @param without faults that cannot be made here */
export function makePlan(seed: number, seconds: number, without: readonly FaultName[] = []): Plan {
  const scale = scaleOf(seconds)
  const files = planFiles(createRandom(seed), scale)
  return {
    seed,
    scale,
    files,
    asks: planAsks(createRandom(seed + 1), scale, files),
    faults: planFaults(createRandom(seed + 2), scale, without),
  }
}
