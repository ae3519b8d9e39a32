import type { Random } from '../random.ts'
import type { FilePlan } from './files.ts'
import type { Scale } from './scale.ts'

/** A request of an operator, and what becomes of it. */
export interface AskPlan {
  /** Since the start. */
  atMs: number
  file: FilePlan
  priority: number
  /** Seconds; a short one may run out. */
  expiresIn?: number
  cancelAfterMs?: number
  /** Asked for again once it has failed. */
  retry: boolean
  /** Read while it arrives. */
  read: boolean
}

/** Who asks for what, and when: every file at least once, the large ones early. */
export function planAsks(random: Random, scale: Scale, files: readonly FilePlan[]): AskPlan[] {
  const span = scale.seconds * 1000
  const ask = (file: FilePlan): AskPlan => {
    const large = file.version.size > scale.largest
    return {
      // Before the first fault, too, and until shortly before the last.
      atMs: Math.floor(random.next() * span * (large ? 0.1 : 0.85)),
      file,
      priority: random.pick([0, 0, 0, 5, -5]),
      retry: file.kind === 'late' || random.chance(0.3),
      read: random.chance(0.4),
      ...(random.chance(0.06) && !large ? { cancelAfterMs: random.int(0, 4000) } : {}),
      ...(random.chance(0.03) && !large ? { expiresIn: random.int(1, 5) } : {}),
    }
  }
  return files
    .flatMap((file) => Array.from({ length: random.int(1, file.times) }, () => ask(file)))
    .toSorted((a, b) => a.atMs - b.atMs)
}
