import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { createPlanner, LEAST_PART, MOST_PARTS, type PlannedPart } from '../../server/stores/s3/plan.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const TiB = 1024 * GiB

function planOf(lengths: Iterable<number>, size: number): PlannedPart[] {
  const planner = createPlanner(size)
  const parts: PlannedPart[] = []
  let start = 0
  for (const length of lengths) {
    parts.push(...planner.add({ start, end: start + length, tag: String(start) }))
    start += length
  }
  return [...parts, ...planner.end()]
}

/** What S3 demands of a division, and we. */
function check(parts: readonly PlannedPart[], size: number): void {
  let at = 0
  for (const [index, part] of parts.entries()) {
    const length = part.end - part.start
    if (part.number !== index + 1 || part.start !== at) throw new Error(`part ${index + 1} is ${JSON.stringify(part)}`)
    if (length < LEAST_PART && index < parts.length - 1) throw new Error(`part ${part.number} has only ${length} bytes`)
    if (length > 5 * GiB) throw new Error(`part ${part.number} has ${length} bytes`)
    for (const stretch of part.stretches) {
      if (stretch.start !== at || stretch.end <= at || stretch.chunk.start > at) throw new Error(`a hole at ${at}`)
      if (stretch.chunk.tag !== String(stretch.chunk.start)) throw new Error('the tag of another chunk')
      at = stretch.end
    }
    if (at !== part.end) throw new Error(`part ${part.number} ends at ${at}, not ${part.end}`)
  }
  expect(at).toBe(size)
  expect(parts.length).toBeLessThanOrEqual(MOST_PARTS)
}

const sum = (lengths: readonly number[]): number => lengths.reduce((all, length) => all + length, 0)
const copied = (parts: readonly PlannedPart[]): number =>
  sum(parts.filter(({ stretches }) => stretches.length === 1).map(({ start, end }) => end - start))

describe('how a file is divided', () => {
  const lengths = fc.oneof(
    fc.integer({ min: 1, max: 64 * KiB }),
    fc.integer({ min: 1, max: 16 * MiB }),
    fc.integer({ min: 1, max: 20 * GiB }),
    fc.constantFrom(LEAST_PART - 1, LEAST_PART, LEAST_PART + 1, 8 * MiB, 256 * MiB, 256 * MiB + 1, 261 * MiB),
  )

  test('any chunks give parts that S3 takes', () => {
    fc.assert(
      fc.property(fc.array(lengths, { minLength: 1, maxLength: 200 }), (chunks) => {
        check(planOf(chunks, sum(chunks)), sum(chunks))
      }),
    )
  })

  test('chunks of any one length, up to the largest file', () => {
    for (const [length, size] of [
      [64 * KiB, 100 * GiB],
      [MiB, TiB],
      [8 * MiB, TiB],
      [64 * MiB, 5 * TiB],
      [5 * TiB, 5 * TiB],
      [LEAST_PART, LEAST_PART * MOST_PARTS],
      [LEAST_PART, LEAST_PART * MOST_PARTS + 1],
    ] as const) {
      const chunks = Array.from({ length: Math.ceil(size / length) }, (_, index) =>
        Math.min(length, size - index * length),
      )
      check(planOf(chunks, size), size)
    }
  })

  test('chunks that are long enough are copied within the store; short ones between them cost one of those at most', () => {
    const chunks = [8 * MiB, 8 * MiB, 100, 8 * MiB, 8 * MiB, 64 * KiB, 64 * KiB, 8 * MiB, 1]
    const parts = planOf(chunks, sum(chunks))
    check(parts, sum(chunks))
    expect(copied(parts)).toBeGreaterThanOrEqual(3 * 8 * MiB)
    const even = Array.from({ length: 1000 }, () => 8 * MiB)
    expect(copied(planOf([...even, 17], sum(even) + 17))).toBe(sum(even) + 17)
  })

  test('what goes through the server is never much more than the shortest part', () => {
    fc.assert(
      fc.property(fc.array(lengths, { minLength: 1, maxLength: 100 }), (chunks) => {
        const size = sum(chunks)
        const least = Math.max(LEAST_PART, Math.ceil(size / (MOST_PARTS - 1)))
        for (const { start, end, stretches } of planOf(chunks, size))
          if (stretches.length > 1) expect(end - start).toBeLessThan(2 * least)
      }),
    )
  })
})
