import { describe, expect, test } from '@jest/globals'
import { exitCodeOf, exitCodes } from '../../cli/exit-codes.ts'
import { explain, CliError } from '../../cli/errors.ts'
import { safeName } from '../../cli/names.ts'
import { collectLabel, parseClientId, parseDownloadId, parseDuration, wholeNumber } from '../../cli/options.ts'
import { parseServerUrl, shownUrl } from '../../cli/server-url.ts'

describe('durations', () => {
  test.each([
    ['3600', 3600],
    ['90s', 90],
    ['30m', 1800],
    ['12h', 43_200],
    ['7d', 604_800],
    ['2w', 1_209_600],
    ['365d', 31_536_000],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds)
  })

  test.each(['', '0', '-1', '1.5h', '7 days', '7y', '366d', 'd', '1e3', '99999999999'])('"%s" is refused', (text) => {
    expect(() => parseDuration(text)).toThrow('365 days at most')
  })
})

describe('numbers, labels, ids', () => {
  test('whole numbers keep to their bounds', () => {
    const parse = wholeNumber(-100, 100)
    expect([parse('-100'), parse('0'), parse('+7'), parse('100')]).toEqual([-100, 0, 7, 100])
    for (const text of ['101', '-101', '1.0', '0x10', '', 'many']) expect(() => parse(text)).toThrow('-100 to 100')
  })

  test('labels are collected, and keep an = in their value', () => {
    expect(collectLabel('b=x=y', collectLabel('a=1'))).toEqual(['a=1', 'b=x=y'])
    for (const text of ['a', '=1', 'a=', 'a b=1']) expect(() => collectLabel(text)).toThrow('KEY=VALUE')
  })

  test('an id that would lead elsewhere in the path of a URL is refused', () => {
    expect(parseClientId('restaurant_1')).toBe('restaurant_1')
    for (const id of ['', '.', '..', 'a/b', 'a b', '-x', 'x'.repeat(65)]) expect(() => parseClientId(id)).toThrow()
    for (const id of ['', '.', '..', 'a/b', 'a?b', 'a%2fb']) expect(() => parseDownloadId(id)).toThrow()
  })
})

describe('the address of the server', () => {
  test.each([
    ['', 'http://localhost:3000/'],
    ['http://hub', 'http://hub/'],
    ['https://hub/backhaul', 'https://hub/backhaul/'],
    ['ws://hub:8080', 'http://hub:8080/'],
    ['WSS://hub/ws?x=1#y', 'https://hub/ws/'],
    ['localhost:3000', 'http://localhost:3000/'],
    ['hub.example', 'http://hub.example/'],
  ])('"%s" is %s', (text, href) => {
    expect(parseServerUrl(text).href).toBe(href)
  })

  test.each(['ftp://hub', 'http://', 'file:///etc', 'http://a b'])('"%s" is refused', (text) => {
    expect(() => parseServerUrl(text)).toThrow('such as http://localhost:3000')
    expect(() => parseServerUrl('ftp://user:hidden@hub')).toThrow(/not "ftp:\/\/hub"$/)
  })

  test('is shown without its password', () => {
    expect(shownUrl(parseServerUrl('https://user:secret@hub/x'))).toBe('https://hub/x')
  })
})

describe('exit codes', () => {
  test.each([
    ['not-allowed', 403, exitCodes.failed],
    ['cancelled', 500, exitCodes.failed],
    ['damaged', 500, exitCodes.failed],
    ['invalid', 400, exitCodes.refused],
    ['already-finished', 409, exitCodes.refused],
    ['client-unknown', 404, exitCodes.notFound],
    ['download-unknown', 404, exitCodes.notFound],
    ['not-found', 404, exitCodes.notFound],
    ['client-offline', 503, exitCodes.away],
    ['begin-timeout', 504, exitCodes.away],
    ['server-unreachable', 500, exitCodes.unreachable],
    ['a-code-of-a-newer-server', 422, exitCodes.refused],
    ['a-code-of-a-newer-server', 500, exitCodes.failed],
  ])('%s with status %d is %d', (code, status, expected) => {
    expect(exitCodeOf(code, status)).toBe(expected)
  })

  test('an error is one line that cannot move the cursor', () => {
    const { line, exitCode } = explain(new CliError('client-unknown', 'No client\n"\u001b[2Jx".', { status: 404 }))
    expect(line).toBe('backhaul: No client "\ufffd[2Jx". (client-unknown)')
    expect(exitCode).toBe(exitCodes.notFound)
  })
})

describe('names of saved files', () => {
  test.each([
    ['menu.txt', 'menu.txt'],
    ['/srv/till/today.csv', 'today.csv'],
    ['C:\\till\\today.csv', 'today.csv'],
    ['../../etc/passwd', 'passwd'],
    ['.bashrc', '_bashrc'],
    ['..', '__'],
    ['/', 'download'],
    ['a\u001b[2J\nb', 'a_[2J_b'],
    ['Menü für "heute".txt', 'Menü für _heute_.txt'],
  ])('%j is saved as %s', (name, safe) => {
    expect(safeName(name)).toBe(safe)
  })

  test('a long name keeps whole characters and its extension', () => {
    const safe = safeName(`${'ü'.repeat(200)}.txt`)
    expect(Buffer.byteLength(safe)).toBe(254)
    expect(safe).toMatch(/^ü+\.txt$/)
  })
})
