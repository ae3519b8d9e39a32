import { expect, test } from '@jest/globals'
import { limitOf, linkNames, parseLink } from '../../bench/link.ts'
import { spliced } from '../../bench/page.ts'
import { drawPicture } from '../../bench/picture.ts'
import { judge } from '../../bench/report.ts'
import { makeContent } from '../../bench/shared/content.ts'
import { kindOf } from '../../bench/shared/counting-proxy.ts'
import { inLanes } from '../../bench/shared/lanes.ts'
import { median, quantile } from '../../bench/statistics.ts'
import { formatChunkDigest, runningDigest } from '../../shared/digest.ts'
import { sha256Of } from '../helpers/folder.ts'

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

test('what is uploaded has the digests that it is said to have', () => {
  const content = makeContent(12, 4)
  const pieces = [0, 1, 2].map((number) => content.piece(number))
  expect(content.pieces).toBe(3)
  expect(content.sha256).toBe(sha256Of(Buffer.concat(pieces.map(({ bytes }) => bytes))))
  for (const { bytes, digest } of pieces) {
    const running = runningDigest('crc32')
    running.update(bytes)
    expect(digest).toBe(formatChunkDigest(running.hex()))
  }
  expect(() => makeContent(13, 4)).toThrow('whole chunks')
})

test('lanes do everything once, so many at a time', async () => {
  const seen: number[] = []
  let now = 0
  let most = 0
  await inLanes(10, 3, async (number) => {
    most = Math.max(most, (now += 1))
    await Promise.resolve()
    seen.push(number)
    now -= 1
  })
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(most).toBe(3)
})

test('requests to an object store are counted by what they are for', () => {
  const copied = { 'x-amz-copy-source': 'bucket/key' }
  expect(kindOf({ method: 'PUT', url: '/bucket/key?x-id=PutObject', headers: {} })).toBe('put')
  expect(kindOf({ method: 'PUT', url: '/bucket/key?partNumber=1&uploadId=x', headers: copied })).toBe('copy')
  expect(kindOf({ method: 'GET', url: '/bucket/key?x-id=GetObject', headers: {} })).toBe('get')
  expect(kindOf({ method: 'GET', url: '/bucket/?list-type=2&prefix=key', headers: {} })).toBe('other')
  expect(kindOf({ method: 'DELETE', url: '/bucket/key', headers: {} })).toBe('other')
})
