import { describe, expect, test } from '@jest/globals'
import { compileGlob, createRules } from '../../agent/rules.ts'

const real = '/srv/root/private/a.key'
const passes = (deny: string, path = real): boolean => {
  const rules = createRules({ allow: [], deny: [deny], maxSize: undefined })
  try {
    rules.check({ real: path, isDefault: false, size: 1, shown: 'it' })
    return true
  } catch {
    return false
  }
}

describe('what is denied', () => {
  test.each(['private', 'private/', '/srv/root/private/', 'private/**/', 'priv*/', 'PRIVATE/', '*.key', 'private/**'])(
    'as %s',
    (glob) => expect(passes(glob)).toBe(false),
  )

  test.each(['/', '//', '/srv//root/private', '/srv/root/./private', 'root/../root/private', 'private/..'])(
    'is no path, as %s: a mistake, and not nothing',
    (glob) => expect(() => compileGlob(glob)).toThrow('no path has'),
  )

  test('is also a file that is called just like the pattern', () => {
    expect(passes('bill (1).pdf', '/srv/root/bill (1).pdf')).toBe(false)
    expect(passes('/srv/root/Bill (1).pdf', '/srv/root/bill (1).pdf')).toBe(false)
    expect(passes('bill (1).pdf', '/srv/root/no bill (1).pdf')).toBe(true)
    expect(passes('ill (1).pdf', '/srv/root/bill (1).pdf')).toBe(true)
  })
})
