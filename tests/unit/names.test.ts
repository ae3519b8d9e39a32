import { describe, expect, test } from '@jest/globals'
import { baseName, cutName, finalNames, safeName } from '../../server/domain/names.ts'

describe('final names', () => {
  const first = (download: Parameters<typeof finalNames>[0], count: number): string[] =>
    [...finalNames(download, Date.UTC(2026, 0, 2, 3, 4, 5, 6))].slice(0, count)

  test('plain, then with a timestamp, then with a number', () => {
    expect(first({ clientId: 'r1', naming: 'plain', path: 'a/b.txt', sourcePath: null }, 3)).toEqual([
      'r1_b.txt',
      'r1_20260102T030405006Z_b.txt',
      'r1_20260102T030405006Z-2_b.txt',
    ])
  })

  test('timestamped from the start', () => {
    expect(first({ clientId: 'r1', naming: 'timestamped', path: null, sourcePath: '/home/x/till.csv' }, 1)).toEqual([
      'r1_20260102T030405006Z_till.csv',
    ])
  })

  test('at most 200 bytes, the extension kept, no character torn', () => {
    const [name = ''] = first({ clientId: 'r1', naming: 'plain', path: `${'ü'.repeat(126)}.tar`, sourcePath: null }, 1)
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200)
    expect(name).toMatch(/^r1_ü+\.tar$/)
    expect(cutName('abc', 3)).toBe('abc')
  })
})

describe('safe names', () => {
  test.each([
    ['/var/log/x.log', 'x.log'],
    ['C:\\temp\\x.log', 'x.log'],
    ['..', 'file'],
    ['/', 'file'],
    ['a\nb\u001b[0m', 'a_b_[0m'],
    ['ein "schöner" name', 'ein "schöner" name'],
    ['x\ud800', 'x\ufffd'],
  ])('%j', (path, name) => expect(safeName(path)).toBe(name))

  test('the base name ignores a slash at the end', () => expect(baseName('/a/b/')).toBe('b'))
})
