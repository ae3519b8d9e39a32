import { union, type Range } from '../../shared/ranges.ts'
import type { Part } from '../byte-ports.ts'
import { partKey } from './part-key.ts'

/** Attempts, and ranges of each, that are remembered; what is older is forgotten first. */
const MOST_PARTS = 1_000
const MOST_RANGES = 200

/** What came more than once, or in vain, as far as this server saw it: a picture, and no account. */
export interface Resent {
  note(part: Part, range: Range): void
  /** In order, and joined. */
  of(part: Part): Range[]
}

export function createResent(): Resent {
  const parts = new Map<string, Range[]>()
  return {
    note(part, range) {
      const key = partKey(part)
      const ranges = union([...(parts.get(key) ?? []), range])
      // Of too many, neighbours become one: that something came again around there is still true.
      const kept = ranges.length > MOST_RANGES ? withoutSmallestGap(ranges) : ranges
      parts.delete(key)
      parts.set(key, kept)
      const [oldest] = parts.keys()
      if (parts.size > MOST_PARTS && oldest !== undefined) parts.delete(oldest)
    },
    of: (part) => [...(parts.get(partKey(part)) ?? [])],
  }
}

function withoutSmallestGap(ranges: readonly Range[]): Range[] {
  const gapAfter = (index: number): number => ranges[index + 1]!.start - ranges[index]!.end
  let smallest = 0
  for (let index = 1; index < ranges.length - 1; index += 1) if (gapAfter(index) < gapAfter(smallest)) smallest = index
  const joined = { start: ranges[smallest]!.start, end: ranges[smallest + 1]!.end }
  return [...ranges.slice(0, smallest), joined, ...ranges.slice(smallest + 2)]
}
