import { expect, test } from '@jest/globals'
import { isNewer } from '../../shared/version-order.ts'

/** The order that semver.org gives as its example, and what people get wrong. */
const ascending = [
  '0.0.9',
  '0.1.0',
  '0.9.0',
  '0.10.0',
  '1.0.0-1',
  '1.0.0-2',
  '1.0.0-10',
  '1.0.0-9007199254740993',
  '1.0.0-9007199254740994',
  '1.0.0-alpha',
  '1.0.0-alpha.1',
  '1.0.0-alpha.beta',
  '1.0.0-beta',
  '1.0.0-beta.2',
  '1.0.0-beta.11',
  '1.0.0-rc.1',
  '1.0.0',
  '1.0.1',
  '10.0.0',
]

test('versions have the order of semver', () => {
  const wrong = ascending.flatMap((a, i) =>
    ascending.filter((b, j) => isNewer(a, b) !== i > j).map((b) => `${a} and ${b}`),
  )
  expect(wrong).toEqual([])
})

test('what a version was built of says nothing of its order', () => {
  expect(isNewer('1.0.0+2', '1.0.0+1')).toBe(false)
  expect(isNewer('1.0.0+1', '1.0.0')).toBe(false)
  expect(isNewer('1.0.1+1', '1.0.0+2')).toBe(true)
})

test('what is no version is newer than nothing, and nothing is newer than it', () => {
  for (const text of [
    '',
    'dev',
    '1',
    '1.2',
    '1.2.3.4',
    'v1.2.3',
    '1.02.3',
    '1.2.3-',
    '1.2.3-a..b',
    '1.2.3\n',
    ' 1.2.3',
    '-1.0.0',
  ]) {
    expect(isNewer(text, '0.0.1')).toBe(false)
    expect(isNewer('99.0.0', text)).toBe(false)
  }
})
