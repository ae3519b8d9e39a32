import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ensureAdmin, ensureEnrolment } from '../../server/admin.ts'
import { createEnrolments, type Enrolments } from '../../server/domain/access/enrolments.ts'
import { newSecret } from '../../server/domain/access/secrets.ts'
import { createTokens, type Tokens } from '../../server/domain/access/tokens.ts'
import { openStores, type Stores } from '../../server/stores/open.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { unexpected } from '../helpers/reports.ts'

// What is in force, and what is not any more, by the rows of a real database.
describe('what is in force', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let stores: Stores
  let tokens: Tokens
  let enrolments: Enrolments
  const said: string[] = []
  const say = (_details: unknown, text: string): void => void said.push(text)
  const log = { warn: say, error: say }

  const database = (): { kind: 'sqlite'; path: string } => ({ kind: 'sqlite', path: join(place.folder, 'data', 'db') })
  const start = (adminToken?: string): Promise<void> =>
    ensureAdmin({ tokens, config: { adminToken, database: database() }, log })
  const admits = async (secret: string): Promise<boolean> => (await tokens.find(secret)) !== undefined

  beforeEach(async () => {
    said.length = 0
    place = await temporaryFolder()
    const storage = { kind: 'file', folder: join(place.folder, 'files') } as const
    stores = await openStores({ database: database(), storage }, unexpected)
    const clock = { now: () => Date.now(), monotonic: () => performance.now() }
    tokens = createTokens({ store: stores.access, wakes: stores.wakes, clock })
    enrolments = createEnrolments({ store: stores.access, clock })
  })
  afterEach(async () => {
    await stores.bytes.close()
    await stores.jobs.close()
    await place.remove()
  })

  const [a, b] = ['an-admin-token-of-old-days', 'another-token-of-an-admin']

  test('of ADMIN_TOKEN only what it says: another takes its place, and it does not come back, which is said', async () => {
    await start(a)
    await start(b)
    expect([await admits(a), await admits(b)]).toEqual([false, true])
    await start(b)
    expect(said).toEqual([])
    await start(a)
    expect([await admits(a), await admits(b)]).toEqual([false, false])
    expect(said).toEqual([expect.stringMatching(/ADMIN_TOKEN.*revoked/)])
  })

  test('of ADMIN_TOKEN only what it says, where that is a token which is known already', async () => {
    await start()
    const first = (await readFile(join(dirname(database().path), 'admin-token'), 'utf8')).trim()
    await start(a)
    await start(first)
    expect([await admits(a), await admits(first)]).toEqual([false, true])
  })

  describe('of ENROL_TOKEN', () => {
    const [c, d] = [newSecret('enrolment').secret, newSecret('enrolment').secret]
    const startWith = (enrolToken?: string, enrolClients = 'till_*'): Promise<void> =>
      ensureEnrolment({ enrolments, config: { enrolToken, enrolClients, database: database() }, log })
    const inForce = async (secret: string): Promise<boolean> => (await enrolments.find(secret)) !== undefined
    const enrol = async (secret: string, clientId: string) =>
      enrolments.enrol((await enrolments.find(secret))!, { clientId })

    test('only what it says: another takes its place, none ends it, and it does not come back, which is said', async () => {
      await startWith(c)
      await startWith(d)
      expect([await inForce(c), await inForce(d)]).toEqual([false, true])
      await startWith(d)
      expect(said).toEqual([])
      await startWith()
      expect([await inForce(c), await inForce(d)]).toEqual([false, false])
      await startWith(d)
      expect(await inForce(d)).toBe(false)
      expect(said).toEqual([expect.stringMatching(/ENROL_TOKEN.*revoked/)])
    })

    test('for the clients that are told last, and for none in the place of another', async () => {
      await startWith(c)
      await enrol(c, 'till_1')
      await expect(enrol(c, 'office')).rejects.toMatchObject({ code: 'not-permitted' })
      await startWith(c, 'office')
      await enrol(c, 'office')
      for (const taken of ['till_1', 'office'])
        await expect(enrol(c, taken)).rejects.toMatchObject({ code: 'not-permitted' })
      expect(await enrolments.list()).toHaveLength(1)
    })

    test('nothing else of a token that an admin made', async () => {
      const { secret } = await enrolments.create({ clients: 'shop', uses: 1, expiresIn: 60, labels: {} })
      await startWith(secret)
      expect(await enrolments.list()).toMatchObject([{ clients: 'shop', usesLeft: 1 }])
      await startWith()
      expect(await inForce(secret)).toBe(true)
    })
  })

  test('is an admin after a start, also where the one of the file was revoked', async () => {
    await start()
    const file = join(dirname(database().path), 'admin-token')
    const first = (await readFile(file, 'utf8')).trim()
    expect(await admits(first)).toBe(true)
    for (const { id } of await tokens.list()) await tokens.revoke(id)
    await start()
    expect(await tokens.hasAdmin()).toBe(true)
    expect([await admits(first), await admits((await readFile(file, 'utf8')).trim())]).toEqual([false, true])
  })

  test('is an admin after a start, also where the file holds a token of somebody else', async () => {
    const { secret } = await tokens.create({ name: 'looks', role: 'reader' })
    const file = join(dirname(database().path), 'admin-token')
    await writeFile(file, secret)
    await start()
    expect(await tokens.hasAdmin()).toBe(true)
    expect(await tokens.find((await readFile(file, 'utf8')).trim())).toMatchObject({ role: 'admin' })
  })
})
