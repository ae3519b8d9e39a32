import { describe, expect, test } from '@jest/globals'
import stringWidth from 'string-width'
import { barLine, clipCells } from '../../shared/bar-line.ts'

const state = {
  label: 'restaurant_1 file_to_download.txt',
  received: 20 * 1024 * 1024,
  size: 60_000_000,
  rate: 9_900_000,
}

describe('bars', () => {
  test.each([40, 60, 80, 100, 200])('fit a terminal of %d columns, with the numbers whole', (columns) => {
    for (const label of [state.label, 'x', '日本語のとても長い名前のファイル売上報告書.csv']) {
      const line = barLine({ ...state, label, columns })
      expect(line).toContain('34% 20.0 MiB of 57.2 MiB  9.4 MiB/s')
      if (columns >= 60) expect(stringWidth(line)).toBeLessThan(columns)
    }
  })

  test('have the bar, the rate and the time left at 80 columns', () => {
    expect(barLine({ ...state, columns: 80 })).toMatch(
      /^restaur.*… \[█+░+\] 34% 20\.0 MiB of 57\.2 MiB {2}9\.4 MiB\/s {2}3\.9 s left$/,
    )
  })

  test('an empty file is whole', () =>
    expect(barLine({ ...state, received: 0, size: 0, columns: 80 })).toContain('100%'))

  test('clipping counts wide characters twice and says that it clipped', () => {
    expect(clipCells('abc', 3)).toBe('abc')
    expect(clipCells('abcd', 3)).toBe('ab…')
    expect(clipCells('日本語', 4)).toBe('日…')
    expect(clipCells('abc', 0)).toBe('')
  })
})
