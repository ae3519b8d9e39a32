import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { AccessStore, AuditEntry, CredentialRecord, EnrolmentRecord } from '../../server/access-ports.ts'
import { createCredentials } from '../../server/domain/access/credentials.ts'
import { createEnrolments } from '../../server/domain/access/enrolments.ts'
import { newSecret } from '../../server/domain/access/secrets.ts'
import { createTokens } from '../../server/domain/access/tokens.ts'
import { createLocalWakes } from '../../server/stores/wake-local.ts'

const MINUTE = 60_000

export interface AccessPlace {
  store: AccessStore
  remove(): Promise<void>
}

/** What every store of access must do. */
export function accessStoreContract(name: string, open: () => Promise<AccessPlace>): void {
  describe(`access, ${name}`, () => {
    let place: AccessPlace
    let store: AccessStore
    const wakes = createLocalWakes()
    const clock = { now: () => Date.now(), monotonic: () => performance.now() }

    beforeEach(async () => {
      place = await open()
      store = place.store
    })
    afterEach(() => place.remove())

    const credential = (id: string, at: number, clientId = 'shop'): CredentialRecord => ({
      id,
      clientId,
      publicKey: `${id.repeat(42)}A`,
      enrolmentId: id,
      createdAt: at,
      provenAt: null,
      revokedAt: null,
    })
    const enrolment = (id: string, more: Partial<EnrolmentRecord> = {}): EnrolmentRecord => {
      const [labels, usesLeft, createdAt, expiresAt, revokedAt] = [{}, 1, 1, 9, null]
      return { id, clients: 'shop', labels, usesLeft, createdAt, expiresAt, revokedAt, ...more }
    }
    /** By an enrolment token of its own, of the same name. */
    const enrolled = async (id: string): Promise<void> => {
      await store.addEnrolment(enrolment(id), `hash of ${id}`)
      await store.enrol({ enrolmentId: id, mayReplace: true }, credential(id, 1), null)
    }

    describe('tokens', () => {
      test('are what they were made as', async () => {
        const tokens = createTokens({ store, wakes, clock })
        const request = { name: 'x', role: 'operator', clients: ['a*'], paths: ['/b/**'], expiresIn: 60 } as const
        const { token, secret } = await tokens.create({ ...request, clients: ['a*'], paths: ['/b/**'] })
        expect(await tokens.find(secret)).toEqual(token)
        const reader = await tokens.create({ name: 'y', role: 'reader' })
        expect(await tokens.find(reader.secret)).toEqual(reader.token)
        expect(await tokens.list()).toHaveLength(2)
        await tokens.revoke(token.id)
        expect(await tokens.find(secret)).toBeUndefined()
        await expect(tokens.revoke(token.id)).rejects.toMatchObject({ code: 'token-unknown' })
      })

      test('of several servers with the same secret: one is made, and all of them know it', async () => {
        const secret = 'an-admin-token-of-the-environment'
        const adopted = await Promise.all(
          Array.from({ length: 8 }, () => createTokens({ store, wakes, clock }).adopt('ADMIN_TOKEN', secret)),
        )
        expect(adopted).toEqual(Array(8).fill(true))
        const tokens = createTokens({ store, wakes, clock })
        expect(await tokens.find(secret)).toMatchObject({ role: 'admin', revokedAt: null })
        expect(await tokens.list()).toHaveLength(1)
      })

      test('replaced by another do not come back', async () => {
        const tokens = createTokens({ store, wakes, clock })
        const [a, b] = ['an-admin-token-of-old-days', 'another-token-of-an-admin']
        expect([await tokens.adopt('ADMIN_TOKEN', a), await tokens.adopt('ADMIN_TOKEN', b)]).toEqual([true, true])
        expect(await tokens.find(a)).toBeUndefined()
        expect(await tokens.adopt('ADMIN_TOKEN', a)).toBe(false)
      })

      test('of several servers that are told different ones: one of them is in force in the end', async () => {
        const tokens = createTokens({ store, wakes, clock })
        const [a, b] = ['an-admin-token-of-old-days', 'another-token-of-an-admin']
        const inForce = async (): Promise<boolean[]> =>
          Promise.all([a, b].map(async (one) => (await tokens.find(one)) !== undefined))
        await tokens.adopt('ADMIN_TOKEN', a)
        await Promise.all([a, b, a, b, a].map((one) => tokens.adopt('ADMIN_TOKEN', one)))
        expect(await inForce()).toEqual([false, true])
        // A server that was left behind starts once more.
        expect(await tokens.adopt('ADMIN_TOKEN', a)).toBe(false)
        expect(await inForce()).toEqual([false, true])
      })
    })

    describe('enrolments', () => {
      test('have no more uses than they were given, whoever comes at once', async () => {
        await store.addEnrolment(enrolment('e', { clients: '*', usesLeft: 3, labels: { a: 'ö' } }), 'hash')
        const by = { enrolmentId: 'e', mayReplace: true }
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, n) => store.enrol(by, credential(`c${n}`, 1, `client-${n}`), null)),
        )
        expect(answers.filter((answer) => answer === 'spent')).toHaveLength(7)
        expect(await store.listCredentials()).toHaveLength(3)
        expect(await store.findEnrolment('hash')).toEqual(
          enrolment('e', { clients: '*', usesLeft: 0, labels: { a: 'ö' } }),
        )
        const [one] = await store.listCredentials()
        // `enrolmentId` is what the caller says.
        expect(one?.provenAt).toBeNull()
      })

      test('that may not replace give a client one credential, whoever comes at once', async () => {
        await store.addEnrolment(enrolment('e', { clients: '*', usesLeft: 10 }), 'hash')
        const by = { enrolmentId: 'e', mayReplace: false }
        const answers = await Promise.all(
          Array.from({ length: 6 }, (_, n) => store.enrol(by, credential(`c${n}`, 1), null)),
        )
        expect(answers.filter((answer) => answer === 'refused')).toHaveLength(5)
        expect(await store.findEnrolment('hash')).toMatchObject({ usesLeft: 9 })
      })

      test('answer a key again with what it got, and take no second use', async () => {
        await store.addEnrolment(enrolment('e', { usesLeft: 2 }), 'hash')
        const by = { enrolmentId: 'e', mayReplace: true }
        const first = { ...credential('a', 1), enrolmentId: 'e' }
        const answers = await Promise.all([1, 2].map((n) => store.enrol(by, { ...first, id: `a${n}` }, null)))
        expect(answers[0]).toEqual(answers[1])
        expect(await store.findEnrolment('hash')).toMatchObject({ usesLeft: 1 })
      })

      test('of several servers with the same secret: one is made', async () => {
        const { secret } = newSecret('enrolment')
        const adopted = await Promise.all(
          Array.from({ length: 8 }, () => createEnrolments({ store, clock }).adopt(secret, 'till_*')),
        )
        expect(adopted).toEqual(Array(8).fill(true))
        expect(await store.listEnrolments()).toHaveLength(1)
        await createEnrolments({ store, clock }).adopt(secret, 'office')
        expect(await createEnrolments({ store, clock }).find(secret)).toMatchObject({ clients: 'office' })
      })

      test('of a server that was left behind, with a secret of old days, take nothing from the others', async () => {
        const enrolments = createEnrolments({ store, clock })
        const [a, b] = [newSecret('enrolment').secret, newSecret('enrolment').secret]
        for (const one of [a, b]) expect(await enrolments.adopt(one, 'till_*')).toBe(true)
        expect(await enrolments.adopt(a, 'till_*')).toBe(false)
        expect(await enrolments.find(b)).toBeDefined()
      })

      test('tell labels to their credentials', async () => {
        await store.addEnrolment(enrolment('e', { labels: { town: 'Graz' } }), 'hash')
        await store.enrol({ enrolmentId: 'e', mayReplace: true }, { ...credential('a', 1), enrolmentId: 'e' }, 'bearer')
        expect(await store.labelsOf('a')).toEqual({ town: 'Graz' })
        expect(await store.labelsOf('b')).toEqual({})
        expect(await store.findBearer('bearer')).toMatchObject({ id: 'a' })
      })
    })

    describe('credentials', () => {
      test('are not the next key of one that was revoked: whoever had the one has told of the other', async () => {
        await enrolled('a')
        await store.addNextCredential(credential('b', 2), 'a')
        expect(await store.revokeCredential('a', 3)).toBe(true)
        expect(await store.findCredential('b')).toMatchObject({ revokedAt: 3 })
        expect(await store.revokeCredential('a', 4)).toBe(false)
        expect(await store.addNextCredential(credential('b', 5), 'a')).toBe('refused')
      })

      test('are the next key still, where the one before was revoked for it, and one of another enrolment', async () => {
        await enrolled('a')
        await store.addNextCredential(credential('b', 2), 'a')
        expect(await store.proveCredential('b', 3)).toEqual(['a'])
        await enrolled('c')
        expect(await store.revokeCredential('b', 4)).toBe(true)
        expect(await store.findCredential('c')).toMatchObject({ revokedAt: null })
      })

      test('stay where a key that was revoked meanwhile is used for the first time', async () => {
        await enrolled('a')
        await store.addNextCredential(credential('b', 2), 'a')
        await store.revokeCredential('b', 3)
        expect(await store.proveCredential('b', 4)).toEqual([])
        expect(await store.findCredential('a')).toMatchObject({ revokedAt: null })
      })

      test('that were asked for next, and never used, give way to another; a revoked key does not come back', async () => {
        await enrolled('a')
        await store.addNextCredential(credential('b', 2), 'a')
        expect(await store.addNextCredential(credential('c', 3), 'a')).toMatchObject({ id: 'c', enrolmentId: 'a' })
        expect(await store.findCredential('b')).toMatchObject({ revokedAt: 3 })
        expect(await store.addNextCredential({ ...credential('b', 4), id: 'd' }, 'a')).toBe('revoked')
        expect(await store.revokeClient('shop', 5)).toEqual(expect.arrayContaining(['a', 'c']))
        expect(await store.listCredentials('shop')).toMatchObject([{ id: 'a' }, { id: 'b' }, { id: 'c' }])
      })

      test('take the tokens of their sessions with them, also one that was added meanwhile', async () => {
        await enrolled('a')
        const token = { clientId: 'shop', session: '1.x', credentialId: 'a', expiresAt: 50 }
        await store.addSessionToken(token, 'one')
        await store.addSessionToken({ ...token, expiresAt: 70 }, 'two')
        expect(await store.findSessionToken('one')).toEqual(token)
        expect(await store.lastEnd(token)).toBe(70)
        expect(await store.lastEnd({ ...token, session: '2.x' })).toBeUndefined()
        await store.forgetSessionTokens(60)
        expect(await store.findSessionToken('one')).toBeUndefined()
        await store.revokeCredential('a', 3)
        await store.addSessionToken({ ...token, expiresAt: 90 }, 'three')
        expect([await store.findSessionToken('two'), await store.findSessionToken('three')]).toEqual([
          undefined,
          undefined,
        ])
      })

      test('renew the token of a session with one more of a minute, however often its agent polls', async () => {
        let now = Date.UTC(2026, 0, 1)
        const movable = { now: () => now, monotonic: () => now }
        const credentials = createCredentials({ store, wakes, clock: movable })
        await enrolled('a')
        const first = await credentials.issue({ clientId: 'shop', session: '1.x', credentialId: 'a' })
        expect(await credentials.renew(first)).toBeUndefined()
        now += 31 * MINUTE
        const second = await credentials.renew(first)
        expect(await credentials.findSession(String(second))).toMatchObject({ session: '1.x' })
        const more = await Promise.all(Array.from({ length: 20 }, () => credentials.renew(first)))
        expect(more.filter((secret) => secret !== undefined)).toEqual([])
        // The answer with the second can have been lost.
        now += MINUTE
        expect(await credentials.findSession(String(await credentials.renew(first)))).toMatchObject({ session: '1.x' })
      })
    })

    test('a secret is made once, whoever asks at once', async () => {
      const secrets = await Promise.all(Array.from({ length: 8 }, () => store.secret('x')))
      expect(new Set(secrets.map((secret) => secret.toString('hex')))).toHaveProperty('size', 1)
      expect(secrets[0]).toHaveLength(32)
      expect(await store.secret('y')).not.toEqual(secrets[0])
    })

    test('the audit keeps what it was told, in order, and shows the newest first', async () => {
      const entry = (n: number, more: Partial<AuditEntry> = {}): AuditEntry => {
        const [clientId, path, downloadId, code] = [null, null, null, null]
        const action = `GET /${n}`
        return {
          at: n,
          actor: 'nobody',
          address: '::1',
          action,
          clientId,
          path,
          downloadId,
          status: 200,
          code,
          ...more,
        }
      }
      const odd = entry(2, { actor: 'token x', clientId: 'shop', path: '/a "b", {c}\\ ö\n', code: 'not-permitted' })
      await store.appendAudit([])
      await store.appendAudit([entry(1), odd])
      await store.appendAudit(Array.from({ length: 500 }, (_, n) => entry(n + 3)))
      const newest = await store.listAudit({ limit: 1000 })
      expect(newest.map(({ at }) => at)).toEqual(Array.from({ length: 502 }, (_, n) => 502 - n))
      const { seq, ...kept } = newest.at(-2)!
      expect(kept).toEqual(odd)
      expect(await store.listAudit({ before: seq, limit: 5 })).toMatchObject([{ at: 1 }])
      expect(await store.listAudit({ clientId: 'shop', limit: 5 })).toMatchObject([{ at: 2 }])
      expect(await store.listAudit({ actor: 'token x', limit: 5 })).toMatchObject([{ at: 2 }])
      // What callers send can hold anything.
      await store.appendAudit([entry(600, { path: 'a\0b' })])
    })
  })
}
