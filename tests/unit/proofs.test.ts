import { generateKeyPairSync, sign } from 'node:crypto'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { createProofs, type Proofs } from '../../server/domain/access/proof.ts'
import { matchesClient, mayPath, type Principal } from '../../server/domain/access/principal.ts'
import { proofText, type ProofParts } from '../../shared/proof-text.ts'

const MINUTE = 60_000

describe('proofs', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const own = String(publicKey.export({ format: 'jwk' }).x)
  const secret = async (): Promise<Buffer> => Buffer.alloc(32, 7)
  let now: number
  let proofs: Proofs

  beforeEach(() => {
    now = Date.UTC(2026, 0, 1)
    proofs = createProofs({ store: { secret }, clock: { now: () => now } })
  })

  const partsOf = async (): Promise<ProofParts> => ({
    purpose: 'session',
    clientId: 'shop_1',
    credentialId: 'c',
    nonce: await proofs.nonce(),
    subject: 'instance',
    origin: 'https://hub.example',
  })
  const signed = (parts: ProofParts): string =>
    sign(null, Buffer.from(proofText(parts)), privateKey).toString('base64url')

  test('of a nonce that is no older than a minute hold', async () => {
    const parts = await partsOf()
    expect(await proofs.holds(own, parts, signed(parts))).toBe(true)
    now += MINUTE
    expect(await proofs.holds(own, parts, signed(parts))).toBe(true)
    now += 1
    expect(await proofs.holds(own, parts, signed(parts))).toBe(false)
    // A clock that was turned back makes no nonce of tomorrow good.
    now -= 2 * MINUTE
    expect(await proofs.holds(own, parts, signed(parts))).toBe(false)
  })

  test.each(['purpose', 'clientId', 'credentialId', 'subject', 'nonce', 'origin'] as const)(
    'are for nothing else than they were made for: another %s',
    async (name) => {
      const parts = await partsOf()
      const other = {
        ...parts,
        [name]: name === 'purpose' ? 'credential' : name === 'nonce' ? await proofs.nonce() : 'other',
      }
      expect(await proofs.holds(own, other, signed(parts))).toBe(false)
    },
  )

  test('need a nonce of this server, and a signature of this key', async () => {
    const parts = await partsOf()
    const [at, random] = parts.nonce.split('.')
    for (const nonce of [
      '',
      'x',
      '..',
      `${at}.${random}`,
      `${at}.${random}.AAAA`,
      `${at}.other.${parts.nonce.split('.')[2]}`,
    ]) {
      const forged = { ...parts, nonce }
      expect([nonce, await proofs.holds(own, forged, signed(forged))]).toEqual([nonce, false])
    }
    for (const signature of ['', 'AAAA', signed(parts).slice(1)]) {
      expect(await proofs.holds(own, parts, signature)).toBe(false)
    }
    const stranger = String(generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x)
    expect(await proofs.holds(stranger, parts, signed(parts))).toBe(false)
  })
})

describe('patterns', () => {
  test.each([
    ['*', 'a', true],
    ['shop_1', 'shop_1', true],
    ['shop_1', 'shop_11', false],
    ['shop_*', 'shop_', true],
    ['shop_*', 'ashop_1', false],
    ['*_1', 'shop_1', true],
    ['a*a', 'a', false],
    ['a*b*c', 'axxbxxc', true],
    ['a*b*c', 'axxcxxb', false],
    ['a.b', 'axb', false],
    ['*a*a*a*a*a*a*a*a*b', 'a'.repeat(64), false],
  ])('%s and the client %s: %s', (pattern, clientId, expected) => {
    expect(matchesClient(pattern, clientId)).toBe(expected)
  })

  const token = (paths: string[]): Principal => ({
    kind: 'operator',
    id: '',
    name: '',
    role: 'operator',
    content: true,
    clients: null,
    paths,
  })

  test.each([
    ['logs/**', 'logs/a/b.log', true],
    ['logs/**', 'logs/.hidden', true],
    ['logs/**', 'logs/../secret', false],
    ['logs/**', '/logs/a', false],
    ['/var/log/**', '/var/log/../../etc/passwd', false],
    ['*.csv', 'a/b.csv', false],
    ['*', '..', false],
    // On Windows these lie in a folder of their own; elsewhere they are names in the folder.
    ['reports/*', 'reports/private\\a.csv', false],
    ['reports/*', 'reports/.\\private\\a.csv', false],
    ['*.csv', 'C:\\pos\\till.csv', false],
    ['/srv/a/**', '/srv/a\\b', false],
    ['C:/pos/**', 'C:/pos/till.csv', true],
    ['reports/**', 'reports/private\\a.csv', true],
  ])('%s and the path %s: %s', (pattern, path, expected) => {
    expect(mayPath(token([pattern]), path)).toBe(expected)
  })
})
