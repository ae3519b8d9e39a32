import { AppError } from './errors.ts'

/** Bytes from `start` up to, not including, `end`. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** A Content-Range as received: the range and the size of the whole, in bytes. */
export interface ContentRange extends Range {
  readonly total: number
}

/** Whether two ranges share a byte. */
export function overlaps(a: Range, b: Range): boolean {
  return a.start < b.end && b.start < a.end
}

/** Sorts ranges and joins those that touch or overlap. */
export function union(ranges: Iterable<Range>): Range[] {
  const joined: { start: number; end: number }[] = []
  for (const range of [...ranges].toSorted((a, b) => a.start - b.start)) {
    if (range.end <= range.start) continue
    const last = joined.at(-1)
    if (last && range.start <= last.end) last.end = Math.max(last.end, range.end)
    else joined.push({ start: range.start, end: range.end })
  }
  return joined
}

/** Ranges in order, as at most `most` groups of neighbours, one or more: between these are the widest gaps. */
export function grouped<R extends Range>(ranges: readonly R[], most: number): R[][] {
  const gapBefore = (index: number): number => ranges[index]!.start - ranges[index - 1]!.end
  const widest = [...ranges.keys()]
    .slice(1)
    .toSorted((a, b) => gapBefore(b) - gapBefore(a))
    .slice(0, most - 1)
    .toSorted((a, b) => a - b)
  const firsts = ranges.length === 0 ? [] : [0, ...widest]
  return firsts.map((first, index) => ranges.slice(first, firsts[index + 1]))
}

/** From the first of some ranges in order to the last. */
export function spanOf(ranges: readonly Range[]): Range {
  return { start: ranges[0]!.start, end: ranges.at(-1)!.end }
}

/** What of `[0, size)` the ranges do not cover. */
export function missing(ranges: Iterable<Range>, size: number): Range[] {
  const holes: Range[] = []
  let at = 0
  for (const range of union(ranges)) {
    if (range.start >= size) break
    if (range.start > at) holes.push({ start: at, end: range.start })
    at = Math.max(at, range.end)
  }
  if (at < size) holes.push({ start: at, end: size })
  return holes
}

/** Cuts `range` into pieces of at most `length` bytes, in order. */
export function* pieces(range: Range, length: number): Generator<Range> {
  for (let start = range.start; start < range.end; start += length) {
    yield { start, end: Math.min(start + length, range.end) }
  }
}

/** The number of bytes in the ranges, which must not overlap. */
export function totalLength(ranges: Iterable<Range>): number {
  let sum = 0
  for (const range of ranges) sum += range.end - range.start
  return sum
}

/** `bytes s-e/total` for a non-empty range (RFC 9110 §14.4; inclusive on the wire). */
export function formatContentRange(range: Range, total: number): string {
  return `bytes ${range.start}-${range.end - 1}/${total}`
}

const contentRange = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/

/**
 * Reads a Content-Range of a request. Unlike RFC 9110 §14.4 in general, the total must be known.
 * @throws AppError `range-invalid` for any other form, an empty or reversed range, or one past the total
 */
export function parseContentRange(header: string): ContentRange {
  const match = contentRange.exec(header.trim())
  const [first, last, total] = match ? match.slice(1).map(Number) : []
  if (first === undefined || last === undefined || total === undefined || last < first || last >= total) {
    throw new AppError(
      'range-invalid',
      `Content-Range must read "bytes FIRST-LAST/SIZE" within the size, not "${header}".`,
      {
        field: 'Content-Range',
      },
    )
  }
  if (!Number.isSafeInteger(total)) {
    throw new AppError('range-invalid', 'Content-Range is beyond 2^53 bytes.', { field: 'Content-Range' })
  }
  return { start: first, end: last + 1, total }
}
