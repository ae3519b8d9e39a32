import type { Random } from '../chaos/random.ts'

/** What breaks programs, in general and of our kind. */
const hostile = [
  '',
  ' ',
  '\u0000',
  '%00',
  '%',
  '%zz',
  '%2e%2e%2f',
  '../../../../etc/passwd',
  '/',
  '//',
  '\\',
  '..',
  '-1',
  '0',
  '1e309',
  '9007199254740993',
  '99999999999999999999999999',
  'NaN',
  'null',
  'true',
  '[]',
  '{}',
  '"',
  "'",
  '`',
  '<script>alert(1)</script>',
  '${7*7}',
  "' OR 1=1 --",
  '__proto__',
  'constructor',
  'toString',
  '\r\nSet-Cookie: a=b',
  '\u001b[2J',
  '\u202e',
  '\ud800',
  '😀'.repeat(50),
  'a'.repeat(5000),
  '*',
  'wait=300',
  'bytes 0-0/1',
  'bytes 5-1/10',
  'bytes 0-18446744073709551615/18446744073709551616',
  'sha-256=::',
  'sha-256=:AAAA:',
  'crc32=:////:',
  'Bearer ',
  'Bearer bhs_' + 'A'.repeat(43),
  'Backhaul-Key purpose="session", client="a", credential="x", nonce="", subject="", origin="", signature=""',
] as const

/** A text that somebody hostile would send. */
export function word(random: Random): string {
  if (random.chance(0.7)) return random.pick(hostile)
  const length = random.int(0, 40)
  return Array.from({ length }, () => String.fromCharCode(random.int(0, 255))).join('')
}

/** A JSON value that fits nowhere, or nearly. */
export function value(random: Random, depth = 0): unknown {
  const kinds = depth > 3 ? 5 : 7
  switch (random.int(0, kinds)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.pick([0, -1, 1, 1.5, 2 ** 53, -(2 ** 53), 1e300])
    case 3:
    case 4:
    case 5:
      return word(random)
    case 6:
      return Array.from({ length: random.int(0, 5) }, () => value(random, depth + 1))
    default:
      return Object.fromEntries(
        Array.from({ length: random.int(0, 5) }, () => [word(random), value(random, depth + 1)]),
      )
  }
}
