import { expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { createRules, type RuleSettings } from '../../agent/rules.ts'

const isSent = (settings: Partial<RuleSettings>, real: string, isDefault: boolean): boolean => {
  try {
    createRules({ allow: [], deny: [], maxSize: undefined, ...settings }).check({ real, isDefault, size: 0, shown: '' })
    return true
  } catch {
    return false
  }
}

/** Names as files have them, and as somebody would give them to get past a pattern. */
const character = fc.constantFrom(...Array.from('abzABZ019 .-_~!+@#%&=,;:$^\'"`|\\()[]{}<>*?\n\t\r\u001bé😀'))
const name = fc
  .array(character, { minLength: 1, maxLength: 6 })
  .map((characters) => characters.join(''))
  .filter((text) => text !== '.' && text !== '..')
const names = fc.array(name, { minLength: 1, maxLength: 4 })

/** A pattern that means a name and nothing else; but for a backslash there is no such thing. */
const literal = (text: string): string =>
  text.replace(/[^a-zA-Z0-9é😀\n]/gu, (special) => (special === '\\' ? '?' : `\\${special}`))
const swapCase = (text: string): string =>
  text.replace(/[a-z]/gi, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase()))

/** Ways to say the same name, or more. */
const wording = fc.constantFrom<(text: string) => string>(
  (text) => literal(text),
  (text) => literal(swapCase(text)),
  (text) => `{x,${literal(text)}}`,
  (text) => `@(x|${literal(text)})`,
  (text) => `${literal(text)}*`,
  (text) => `*${literal(text)}`,
  () => '*',
)
/** Where: by name anywhere, by its folders, from the root on. */
const placing = fc.constantFrom<(folders: string[], last: string) => string>(
  (_, last) => last,
  (_, last) => `**/${last}`,
  (folders, last) => [...folders.slice(-1).map(literal), last].join('/'),
  (folders, last) => `/${[...folders.map(literal), last].join('/')}`,
  (_, last) => `/**/${last}`,
)
/** A path, and a pattern that is about it or one of the folders it lies in. */
const denied = fc.tuple(names, fc.nat(), wording, placing).map(([path, at, word, place]) => {
  const index = at % path.length
  return { path: `/${path.join('/')}`, pattern: place(path.slice(0, index), word(path[index] ?? '')) }
})
const allow = fc.subarray(['**', '*', '/**', '*.txt', '!(x)', '{a,b}'])

test('what is denied is not sent, whatever else is said of it', () => {
  fc.assert(
    fc.property(
      denied,
      allow,
      fc.array(name.map(literal), { maxLength: 2 }),
      fc.boolean(),
      ({ path, pattern }, leave, more, first) => {
        const allowing = [...leave, literalPath(path)]
        expect(isSent({ allow: allowing }, path, false)).toBe(true)
        const deny = first ? [pattern, ...more] : [...more, pattern]
        for (const isDefault of [true, false]) expect(isSent({ allow: allowing, deny }, path, isDefault)).toBe(false)
      },
    ),
    { numRuns: 1000 },
  )
})

const literalPath = (path: string): string => path.split('/').map(literal).join('/')

test('a pattern that means one path denies no other, and allows no other', () => {
  fc.assert(
    fc.property(names, names, (one, other) => {
      const [path, another] = [`/${one.join('/')}`, `/${other.join('/')}`]
      // Nor is what is called just like the pattern another file.
      fc.pre(!`${path}${another}`.includes('\\') && !another.toLowerCase().startsWith(path.toLowerCase()))
      expect(isSent({ deny: [literalPath(path)] }, another, false)).toBe(true)
      expect(isSent({ allow: [literalPath(path)] }, another, false)).toBe(false)
      expect(isSent({ allow: [literalPath(path)] }, path, false)).toBe(true)
    }),
    { numRuns: 500 },
  )
})
