import { describe, expect, test } from '@jest/globals'
import { compileGlob, createRules, type RuleSettings } from '../../agent/rules.ts'

const open: RuleSettings = { allow: [], deny: [], maxSize: undefined }

/** Why a file is not sent; undefined for one that is. */
function refusal(settings: Partial<RuleSettings>, real: string, { isDefault = false, size = 0 } = {}) {
  try {
    createRules({ ...open, ...settings }).check({ real, isDefault, size, shown: '"it"' })
    return undefined
  } catch (error) {
    expect(error).toMatchObject({ name: 'JobFailure', code: 'not-allowed' })
    return (error as Error).message
  }
}

const EXCLUDED = '"it" is excluded by this agent\'s --deny.'
const NOT_AMONG = '"it" is not among what this agent\'s --allow names.'

describe('globs', () => {
  test.each<[pattern: string, path: string, denied: boolean, allowed?: boolean]>([
    // A name anywhere, the root included.
    ['*.key', '/srv/a/b.key', true],
    ['*.key', '/b.key', true],
    ['*.key', '/srv/.key', true],
    ['*.key', '/srv/.hidden.key', true],
    ['*.key', '/srv/b.keys', false],
    ['*.key', '/srv/b.key\n', false],
    ['*.key', '/srv/two\nlines.key', true],
    ['?.txt', '/srv/\n.txt', true],
    ['[^a]b', '/srv/\nb', true],
    ['.*', '/srv/.env', true],
    ['*', '/srv/.env', true],
    ['.env', '/srv/x.env', false],
    // Escaped, and what only looks special.
    ['a+b@c$^&.txt', '/srv/a+b@c$^&.txt', true],
    ['\\[x\\]\\*', '/srv/[x]*', true],
    ['\\[x\\]\\*', '/srv/xx', false],
    ['c.txt', '/srv/cxtxt', false],
    ['bill (1).pdf', '/srv/bill (1).pdf', true],
    ['bill (1).pdf', '/srv/no bill (1).pdf', false],
    ['/srv/Bill (1).pdf', '/srv/bill (1).pdf', true, false],
    ['[x]', '/srv/[x]', true],
    // From the root on.
    ['/srv/*.txt', '/srv/a.txt', true],
    ['/srv/*.txt', '/srv/a/b.txt', false],
    ['/srv/*.txt', '/other/srv/a.txt', false],
    ['srv/*.txt', '/other/srv/a.txt', true],
    ['/srv/**', '/srv/a/.b/c\nd', true],
    ['/srv/**', '/srvx/a', false],
    ['/srv/**/x', '/srv/x', true],
    ['/srv/**/x', '/srv/.a/b/x', true],
    ['**/x', '/x', true],
    ['/**/x', '/x', true],
    ['/**', '/x', true],
    // One of several.
    ['*.{key,pem}', '/srv/a.pem', true],
    ['*.{key,pem}', '/srv/a.txt', false],
    ['@(id_*|*.pem)', '/srv/id_rsa', true],
    ['!(*.csv)', '/srv/a.txt', true],
    ['[!a-m]*', '/srv/x', true],
    ['[!a-m]*', '/b', false],
    ['[[:digit:]]', '/srv/7', true],
    // What is denied of a folder is denied of all in it; to be allowed, a file must match itself.
    ['secrets', '/srv/secrets/deep/file', true, false],
    ['secrets', '/secrets/file', true, false],
    ['/srv/secrets', '/srv/secrets/deep/file', true, false],
    ['.ssh', '/root/.ssh/config', true, false],
    ['s*s', '/srv/secrets/file', true, false],
    ['secrets/', '/srv/secrets/file', true, false],
    ['/srv/secrets/', '/srv/secrets/deep/file', true, false],
    ['secrets/**/', '/srv/secrets/deep/file', true],
    ['secrets', '/srv/secrets.txt', false],
    // Some file systems know no case; for leave it counts.
    ['*.key', '/srv/MASTER.KEY', true, false],
    ['/SRV/Secrets', '/srv/secrets/file', true, false],
    ['é', '/srv/É', true, false],
  ])('%j and the path %j', (pattern, path, denied, allowed = denied) => {
    expect(refusal({ deny: [pattern] }, path)).toBe(denied ? EXCLUDED : undefined)
    expect(refusal({ allow: [pattern] }, path)).toBe(allowed ? undefined : NOT_AMONG)
  })

  test.each([
    ['!x', 'must not begin with'],
    ['!(a', 'is no glob'],
    ['./x', 'must not begin with'],
    ['../x', 'must not begin with'],
    ['~x', 'must not begin with'],
    ['~/x', 'must not begin with'],
    ['', 'must not be empty or /'],
    ['/', 'must not be empty or /'],
    ['//', 'must not be empty or /'],
    ['.', 'must not be empty or /'],
    ['/srv//private', 'nor hold //'],
    ['srv/./private', 'nor hold //, /./'],
    ['/srv/../private', 'or /../, which no path has'],
    ['private/..', 'or /../, which no path has'],
    ['[', 'is no glob'],
    ['[a-z', 'is no glob'],
    ['a]', 'is no glob'],
    ['[z-a]', 'is no glob'],
    ['{a,b', 'is no glob'],
    ['(a', 'is no glob'],
    ['a)', 'is no glob'],
    ['?(', 'is no glob'],
    ['log{1..12}.txt', 'is no glob'],
    ['{a..c}', 'is no glob'],
    ['"*.key"', 'must not hold a quote'],
    ['secrets\\private', 'or \\ before a letter'],
    ['secrets\\\\private', 'a digit or \\'],
    ['*.key|*.pem', 'must not hold | outside of parentheses'],
    ['x'.repeat(70_000), 'is no glob'],
  ])('%.20j would match something else than it says, or nothing, and is refused', (pattern, why) => {
    for (const ignoreCase of [true, false]) expect(() => compileGlob(pattern, { ignoreCase })).toThrow(why)
    for (const settings of [{ deny: [pattern] }, { allow: ['*', pattern] }]) {
      expect(() => createRules({ ...open, ...settings })).toThrow(why)
    }
  })
})

describe('rules', () => {
  test('deny is stronger than allow, and one of several is enough', () => {
    const settings = { allow: ['*.txt', '/srv/**'], deny: ['*.key', '/srv/private'] }
    expect(refusal(settings, '/srv/a.bin')).toBeUndefined()
    expect(refusal(settings, '/other/a.txt')).toBeUndefined()
    expect(refusal(settings, '/other/a.bin')).toBe(NOT_AMONG)
    expect(refusal(settings, '/srv/a.key')).toBe(EXCLUDED)
    expect(refusal(settings, '/srv/private/a.txt')).toBe(EXCLUDED)
    expect(refusal({ ...settings, deny: [...settings.deny, ...settings.allow] }, '/srv/a.bin')).toBe(EXCLUDED)
  })

  test('the default file needs no other leave; denied, or too large, it stays', () => {
    const isDefault = true
    expect(refusal({ allow: ['*.txt'] }, '/srv/a.bin', { isDefault })).toBeUndefined()
    expect(refusal({ allow: ['*.txt'], deny: ['*.bin'] }, '/srv/a.bin', { isDefault })).toBe(EXCLUDED)
    expect(refusal({ deny: ['srv'] }, '/srv/a.bin', { isDefault })).toBe(EXCLUDED)
    expect(refusal({ maxSize: 9 }, '/srv/a.bin', { isDefault, size: 10 })).toContain('--max-size')
  })

  test('the largest size is one that is sent', () => {
    const settings = { maxSize: 2048 }
    expect(refusal(settings, '/a', { size: 0 })).toBeUndefined()
    expect(refusal(settings, '/a', { size: 2048 })).toBeUndefined()
    expect(refusal(settings, '/a', { size: 2049 })).toContain('this agent sends 2.0 KiB at most (--max-size).')
    expect(refusal({ maxSize: 0 }, '/a', { size: 0 })).toBeUndefined()
    expect(refusal({ maxSize: 0 }, '/a', { size: 1 })).toContain('0 B at most')
    expect(refusal(open, '/a', { size: Number.MAX_SAFE_INTEGER })).toBeUndefined()
  })
})
