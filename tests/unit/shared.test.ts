import { describe, expect, test } from '@jest/globals'
import { formatDigest, parseDigest } from '../../shared/digest.ts'
import { readEnvironment } from '../../shared/env.ts'
import { formatBytes, formatSeconds, printable } from '../../shared/format.ts'
import { clientIdSchema } from '../../shared/protocol.ts'
import { fullJitter } from '../../shared/wait.ts'
import { sha256Of } from '../helpers/folder.ts'

describe('digest headers', () => {
  const hex = sha256Of(Buffer.from('hello'))

  test('go both ways', () => {
    expect(parseDigest(formatDigest(hex), 'Content-Digest')).toBe(hex)
    expect(parseDigest(`md5=:AAAA:, ${formatDigest(hex)}`, 'Content-Digest')).toBe(hex)
  })

  test.each(['', 'sha-256=abc', 'sha-256=:AAAA:', 'md5=:1B2M2Y8AsgTpgAmY7PhCfg==:'])('refuse "%s"', (header) => {
    expect(() => parseDigest(header, 'Content-Digest')).toThrow(expect.objectContaining({ code: 'digest-invalid' }))
  })
})

describe('environment', () => {
  test('every mistake is told at once, by name', () => {
    const read = readEnvironment({ PORT: 'eighty', LEVEL: 'loud', SIZE: '5' })
    read.integer('PORT', 1, { min: 0, max: 9 })
    read.oneOf('LEVEL', 'info', ['info', 'debug'])
    read.integer('SIZE', 1, { min: 0, max: 4 })
    expect(() => read.finish()).toThrow(
      expect.objectContaining({
        mistakes: [
          'PORT must be a whole number from 0 to 9, not "eighty"',
          'LEVEL must be one of info, debug, not "loud"',
          'SIZE must be a whole number from 0 to 4, not "5"',
        ],
      }),
    )
  })

  test('an empty value counts as unset', () => {
    expect(readEnvironment({ PORT: ' ' }).integer('PORT', 7, { min: 0, max: 9 })).toBe(7)
  })
})

describe('format', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [104_857_600, '100.0 MiB'],
  ])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  test.each([
    [0.5, '0.5 s'],
    [59, '59 s'],
    [200, '3 min 20 s'],
    [7500, '2 h 5 min'],
    [Number.NaN, '-'],
  ])('%d seconds', (seconds, text) => expect(formatSeconds(seconds)).toBe(text))

  test('a hostile name cannot move the cursor or turn the text', () => {
    expect(printable('a\u001b[2Jb\n\u202ec')).toBe('a\ufffd[2Jb\ufffd\ufffdc')
  })
})

describe('client ids', () => {
  test.each(['restaurant_1', 'a', 'A.b-c_9', 'x'.repeat(64)])('%s is one', (id) =>
    expect(clientIdSchema.safeParse(id).success).toBe(true),
  )
  test.each(['', '.', '..', '-a', '_a', 'a/b', '../clients/server', 'a b', 'é', 'x'.repeat(65), 'a\n'])(
    '"%s" is none',
    (id) => expect(clientIdSchema.safeParse(id).success).toBe(false),
  )
})

test('full jitter stays under its cap', () => {
  const waits = Array.from({ length: 1000 }, (_, attempt) => fullJitter(attempt, { baseMs: 500, capMs: 60_000 }))
  expect(Math.max(...waits)).toBeLessThanOrEqual(60_000)
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(0)
})
