import { expect, test } from '@jest/globals'
import { limitOf, linkNames, parseLink } from '../../bench/link.ts'
import { spliced } from '../../bench/page.ts'
import { drawPicture } from '../../bench/picture.ts'
import { judge } from '../../bench/report.ts'
import { median, quantile } from '../../bench/statistics.ts'

test('a run that was given up does not make the median better', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(median([70, Infinity, Infinity])).toBe(Infinity)
  expect(median([])).toBeNaN()
  expect(quantile([5, 1, 3], 0.5)).toBe(3)
  expect(quantile([5, 1, 3], 1)).toBe(5)
})

test('a bound is kept up to itself, and never by a number that is not there', () => {
  expect(judge('throughput', 1.6, 'at least', 1.6).ok).toBe(true)
  expect(judge('throughput', 1.5999, 'at least', 1.6).ok).toBe(false)
  expect(judge('time', 1.1001, 'at most', 1.1).ok).toBe(false)
  expect(judge('time', Number.NaN, 'at most', 1.1).ok).toBe(false)
  expect(judge('time', Infinity, 'at most', 1.1).ok).toBe(false)
})

test('a link is a rate, a round trip and a loss; its limit is size ÷ rate', () => {
  expect(linkNames('50/80/0.5, 10/40/0')).toEqual(['50/80/0.5', '10/40/0'])
  expect(limitOf(parseLink('50/80/0.5'), 25 * 2 ** 20)).toBeCloseTo(4.19, 2)
  for (const wrong of ['', '50', '50/80', '0/80/0', '50/80/0/1', '50/x/0', '50/80/-1']) {
    expect(() => parseLink(wrong)).toThrow('A link is')
  }
})

test('a section replaces the one of its name and leaves the text around it', () => {
  const page = '# Page\n\n<!-- one -->\n\nold\n\n<!-- /one -->\n\nWhat it means.\n'
  const once = spliced(page, 'one', '## New')
  expect(once).toBe('# Page\n\n<!-- one -->\n\n## New\n\n<!-- /one -->\n\nWhat it means.\n')
  expect(spliced(once, 'one', '## New')).toBe(once)
  expect(spliced(once, 'two', '## Two')).toBe(`${once}\n<!-- two -->\n\n## Two\n\n<!-- /two -->\n`)
})

test('bars are as long as their values, and names are text', () => {
  const bars = [
    { label: 'a<b', value: 1, text: '1 ×' },
    { label: 'ours', value: 4, text: '4 ×', ours: true },
  ]
  const picture = drawPicture([{ title: 'Speed', bars, bound: 2 }])
  const widths = [...picture.matchAll(/<rect [^>]*width="(\d+)"/g)].map((match) => Number(match[1]))
  expect(widths[1]).toBe(4 * widths[0]!)
  expect(picture).toContain('a&lt;b')
  expect(picture).toContain('wanted 2')
})
