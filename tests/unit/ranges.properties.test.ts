import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { isAppError } from '../../shared/errors.ts'
import {
  formatContentRange,
  grouped,
  missing,
  overlaps,
  parseContentRange,
  pieces,
  spanOf,
  totalLength,
  union,
  type Range,
} from '../../shared/ranges.ts'

const MAX = 60

/** May be empty or reversed, as anything that came from outside. */
const range = fc.record({ start: fc.nat(MAX), end: fc.nat(MAX) })
const ranges = fc.array(range, { maxLength: 12 })
const size = fc.nat(MAX)

/** The bytes of ranges one by one: so simple that it is right. */
const bytesOf = (given: Iterable<Range>): Set<number> => {
  const bytes = new Set<number>()
  for (const { start, end } of given) for (let at = start; at < end; at += 1) bytes.add(at)
  return bytes
}
const sorted = (bytes: Iterable<number>): number[] => [...bytes].toSorted((a, b) => a - b)

describe('ranges, against sets of integers', () => {
  test('groups of neighbours are few, have all ranges in order, and the widest gaps between them', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 1, max: 5 }), (given, most) => {
        const joined = union(given)
        const groups = grouped(joined, most)
        expect(groups.flat()).toEqual(joined)
        expect(groups.length).toBe(Math.min(most, joined.length))
        const gaps = (between: readonly Range[]): number[] =>
          between.slice(1).map(({ start }, index) => start - between[index]!.end)
        const widest = gaps(joined).toSorted((a, b) => b - a)
        expect(gaps(groups.map(spanOf)).toSorted((a, b) => b - a)).toEqual(widest.slice(0, most - 1))
      }),
    )
  })

  test('the union has the same bytes, in order, and a gap between any two', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const joined = union(given)
        expect(sorted(bytesOf(joined))).toEqual(sorted(bytesOf(given)))
        expect(totalLength(joined)).toBe(bytesOf(given).size)
        for (const [index, { start, end }] of joined.entries()) {
          expect(start).toBeLessThan(end)
          expect(start).toBeGreaterThan(joined[index - 1]?.end ?? -1)
        }
      }),
    )
  })

  test('what is missing are exactly the other bytes of the size', () => {
    fc.assert(
      fc.property(ranges, size, (given, whole) => {
        const there = bytesOf(given)
        const all = Array.from({ length: whole }, (_, at) => at)
        const holes = missing(given, whole)
        expect(sorted(bytesOf(holes))).toEqual(all.filter((at) => !there.has(at)))
        expect(holes).toEqual(union(holes))
      }),
    )
  })

  test('pieces are the range, in order, none longer than allowed and none empty', () => {
    fc.assert(
      fc.property(range, fc.integer({ min: 1, max: MAX }), (whole, length) => {
        const cut = [...pieces(whole, length)]
        expect(cut.flatMap((piece) => sorted(bytesOf([piece])))).toEqual(sorted(bytesOf([whole])))
        for (const { start, end } of cut) expect(end - start).toBeLessThanOrEqual(length)
        expect(cut.every(({ start, end }) => start < end)).toBe(true)
      }),
    )
  })

  test('two ranges overlap when they share a byte', () => {
    const filled = range.filter(({ start, end }) => start < end)
    fc.assert(
      fc.property(filled, filled, (a, b) => {
        const shared = [...bytesOf([a])].some((at) => bytesOf([b]).has(at))
        expect(overlaps(a, b)).toBe(shared)
      }),
    )
  })
})

describe('Content-Range', () => {
  const total = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })
  const within = total.chain((whole) =>
    fc
      .tuple(fc.integer({ min: 0, max: whole - 1 }), fc.integer({ min: 0, max: whole - 1 }))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) + 1, total: whole })),
  )

  test('what was written is read', () => {
    fc.assert(
      fc.property(within, (given) => {
        expect(parseContentRange(formatContentRange(given, given.total))).toEqual(given)
      }),
    )
  })

  /** Headers as a proxy or a mistake would leave them: near to a right one, or far from it. */
  const piece = fc.oneof(
    fc.constantFrom('bytes', 'bytes ', ' ', '-', '/', '*', ',', '+1', '0x1', '1e3', '٣', '00', '\t', '\n', 'Bytes '),
    fc.nat(20).map(String),
    fc.bigInt({ min: 0n, max: 2n ** 70n }).map(String),
    fc.string({ maxLength: 3 }),
  )
  const nearly = fc.array(piece, { maxLength: 9 }).map((parts) => parts.join(''))
  const shaped = fc.tuple(piece, piece, piece).map(([first, last, whole]) => `bytes ${first}-${last}/${whole}`)

  test('any other text is refused as range-invalid, or means exactly what it says', () => {
    fc.assert(
      fc.property(fc.oneof(nearly, shaped, fc.string()), (header) => {
        let read
        try {
          read = parseContentRange(header)
        } catch (error) {
          expect(isAppError(error, 'range-invalid')).toBe(true)
          return
        }
        const { start, end, total: whole } = read
        expect(0 <= start && start < end && end <= whole && Number.isSafeInteger(whole)).toBe(true)
        // Leading zeros are the same number.
        const digits = /(\d+)-(\d+)\/(\d+)/.exec(header)?.slice(1).map(BigInt)
        expect(digits).toEqual([BigInt(start), BigInt(end - 1), BigInt(whole)])
      }),
      { numRuns: 2000 },
    )
  })
})
