import { describe, expect, test } from '@jest/globals'
import {
  formatContentRange,
  missing,
  overlaps,
  parseContentRange,
  pieces,
  totalLength,
  union,
} from '../../shared/ranges.ts'

describe('ranges', () => {
  test('union joins what touches and sorts', () => {
    expect(
      union([
        { start: 10, end: 20 },
        { start: 0, end: 10 },
        { start: 30, end: 40 },
        { start: 15, end: 18 },
        { start: 5, end: 5 },
      ]),
    ).toEqual([
      { start: 0, end: 20 },
      { start: 30, end: 40 },
    ])
  })

  test('missing is what the union leaves of the size', () => {
    expect(missing([{ start: 5, end: 10 }], 12)).toEqual([
      { start: 0, end: 5 },
      { start: 10, end: 12 },
    ])
    expect(missing([{ start: 0, end: 12 }], 12)).toEqual([])
    expect(missing([], 0)).toEqual([])
    expect(missing([{ start: 20, end: 30 }], 12)).toEqual([{ start: 0, end: 12 }])
  })

  test('half-open ranges that touch do not overlap', () => {
    expect(overlaps({ start: 0, end: 5 }, { start: 5, end: 6 })).toBe(false)
    expect(overlaps({ start: 0, end: 5 }, { start: 4, end: 6 })).toBe(true)
  })

  test('pieces cut a range to its end', () => {
    expect([...pieces({ start: 3, end: 10 }, 4)]).toEqual([
      { start: 3, end: 7 },
      { start: 7, end: 10 },
    ])
    expect(totalLength(pieces({ start: 3, end: 10 }, 4))).toBe(7)
  })

  test('Content-Range is inclusive on the wire and half-open inside', () => {
    expect(parseContentRange('bytes 0-0/1')).toEqual({ start: 0, end: 1, total: 1 })
    expect(formatContentRange({ start: 5, end: 10 }, 20)).toBe('bytes 5-9/20')
    expect(parseContentRange(formatContentRange({ start: 5, end: 10 }, 20))).toEqual({ start: 5, end: 10, total: 20 })
  })

  test.each([
    '',
    'bytes',
    'bytes 5-4/10',
    'bytes 0-10/10',
    'bytes 0-1/*',
    'bytes */10',
    'bytes -1-2/3',
    'items 0-1/2',
    'bytes 0-1/2, 3-4/5',
    'bytes 0-9007199254740993/9999999999999999',
    'bytes 0x1-2/3',
  ])('refuses Content-Range "%s"', (header) => {
    expect(() => parseContentRange(header)).toThrow(expect.objectContaining({ code: 'range-invalid' }))
  })
})
