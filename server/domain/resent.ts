import { grouped, spanOf, union, type Range } from '../../shared/ranges.ts'
import type { Part } from '../byte-ports.ts'
import type { JobStore } from '../ports.ts'
import { keepNewest } from './keep-newest.ts'
import { partKey } from './part-key.ts'

/** Attempts, and ranges of each, that are remembered; what is older is forgotten first. */
const MOST_PARTS = 1_000
const MOST_RANGES = 200

/** What came more than once, or in vain. */
export interface Resent {
  /** Counts so many bytes that were sent for a range, and remembers where that is. */
  add(part: Part, range: Range, bytes: number): Promise<void>
  /** In order, and joined; as far as this server saw it, and remembers: a picture, and no account. */
  of(part: Part): Range[]
}

export function createResent({ jobs }: { jobs: Pick<JobStore, 'addResent'> }): Resent {
  const parts = new Map<string, Range[]>()

  const note = (part: Part, { start, end }: Range): void => {
    const key = partKey(part)
    const ranges = union([...(parts.get(key) ?? []), { start, end }])
    // Of too many, neighbours become one: that something came again around there is still true.
    if (ranges.length > 0) keepNewest(parts, [key, grouped(ranges, MOST_RANGES).map(spanOf)], MOST_PARTS)
  }

  return {
    async add(part, range, bytes) {
      note(part, range)
      await jobs.addResent(part.id, bytes)
    },
    of: (part) => [...(parts.get(partKey(part)) ?? [])],
  }
}
