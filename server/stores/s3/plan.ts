import type { Range } from '../../../shared/ranges.ts'

const MiB = 2 ** 20

/** What S3 takes: parts by number, each of at least so many bytes but the last. */
export const MOST_PARTS = 10_000
export const LEAST_PART = 5 * MiB
/** The store copies so many bytes in one request, at least, where a chunk is that long: it must answer in time. */
const MOST_COPIED = 256 * MiB

/** A chunk, or a range of one; offsets are those of the whole. */
export interface Stretch extends Range {
  chunk: { start: number; tag: string }
}

/** A part of the finished object: one stretch is copied within the store, several go through the server. */
export interface PlannedPart extends Range {
  /** From 1 on. */
  number: number
  stretches: Stretch[]
}

export interface Planner {
  /** Takes the next chunk, which begins where the one before ended. @returns the parts that are complete with it */
  add(chunk: Range & { tag: string }): PlannedPart[]
  /** @returns the last part, if there is one */
  end(): PlannedPart[]
}

/**
 * Divides a file of `size` bytes into the parts of a multipart upload. The same chunks always give the same parts, so
 * that whoever goes on with an upload finds those that are there already.
 */
export function createPlanner(size: number): Planner {
  // All parts but the last are at least that long, and thus never too many.
  const least = Math.max(LEAST_PART, Math.ceil(size / (MOST_PARTS - 1)))
  const most = Math.max(MOST_COPIED, 2 * least)
  let number = 0
  let pending: Stretch[] = []
  let waiting = 0

  const close = (): PlannedPart => {
    number += 1
    const part = { number, start: pending[0]!.start, end: pending.at(-1)!.end, stretches: pending }
    pending = []
    waiting = 0
    return part
  }

  /** How much of a chunk, of which `left` bytes are to come, goes into the part that is under way. */
  const share = (left: number): number => {
    // Without short chunks before it, it is copied, in steps that leave no rest too short for a part.
    if (waiting === 0 && left >= least) return left <= most ? left : left - most >= least ? most : left - least
    const wanted = least - waiting
    // A rest too short for a part comes along, so that the next chunk can be copied as it is.
    return left < wanted + least ? left : wanted
  }

  return {
    add({ start, end, tag }) {
      const done: PlannedPart[] = []
      for (let at = start; at < end;) {
        const length = share(end - at)
        pending.push({ start: at, end: at + length, chunk: { start, tag } })
        waiting += length
        at += length
        if (waiting >= least) done.push(close())
      }
      return done
    },
    end: () => (pending.length > 0 ? [close()] : []),
  }
}
