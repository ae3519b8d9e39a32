import { generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openKeys } from '../../agent/credential.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { leftBehind, proves, publicKeyOf, rightsOf } from '../helpers/key-folder.ts'

const clientId = 'shop_1'
let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterAll(() => remove())

/** A folder that is not there yet. */
const place = (): string => join(folder, randomUUID())
const keysIn = (dir: string) => openKeys({ dir, clientId })
const namesIn = async (dir: string): Promise<string[]> => (await readdir(dir)).toSorted()

test('what a site proves itself with can be read by nobody else, whatever is usual there', async () => {
  const before = process.umask(0)
  const dir = place()
  try {
    await (await keysIn(dir).current()).enrolled(randomUUID())
  } finally {
    process.umask(before)
  }
  expect(await rightsOf(dir)).toBe(0o700)
  expect(await namesIn(dir)).toEqual(['credential.json', 'key.pem'])
  for (const name of await namesIn(dir)) expect([name, await rightsOf(join(dir, name))]).toEqual([name, 0o600])
})

test('a key is made once, however many want it at the same time, and is never overwritten', async () => {
  const dir = place()
  const made = await Promise.all(Array.from({ length: 20 }, () => keysIn(dir).current()))
  const text = await readFile(join(dir, 'key.pem'), 'utf8')
  expect(new Set(made.map(({ publicKey }) => publicKey))).toEqual(new Set([publicKeyOf(text)]))
  expect(await namesIn(dir)).toEqual(['key.pem'])
  const next = await Promise.all(Array.from({ length: 20 }, () => keysIn(dir).make()))
  const nextText = await readFile(join(dir, 'next-key.pem'), 'utf8')
  expect(new Set(next.map(({ publicKey }) => publicKey))).toEqual(new Set([publicKeyOf(nextText)]))
  expect(nextText).not.toBe(text)
  expect(await readFile(join(dir, 'key.pem'), 'utf8')).toBe(text)
})

test('the id is there when the key is opened again, for this key and this client only', async () => {
  const dir = place()
  const id = randomUUID()
  const first = await keysIn(dir).current()
  expect(first.id).toBeUndefined()
  await first.enrolled(id)
  expect(first.id).toBe(id)
  const again = await keysIn(dir).current()
  expect([again.id, again.publicKey]).toEqual([id, first.publicKey])
  expect(proves(again, { clientId, publicKey: first.publicKey, id })).toBe(true)
  const renamed = await openKeys({ dir, clientId: 'shop_2' }).current()
  expect([renamed.id, renamed.publicKey]).toEqual([undefined, first.publicKey])
  await rm(join(dir, 'key.pem'))
  const another = await keysIn(dir).current()
  expect(another.id).toBeUndefined()
  expect(another.publicKey).not.toBe(first.publicKey)
})

const pem = (key: KeyObject): string =>
  key.export({ format: 'pem', type: key.type === 'public' ? 'spki' : 'pkcs8' }).toString()
const { privateKey, publicKey: publicHalf } = generateKeyPairSync('ed25519')

test.each([
  ['cut short', pem(privateKey).slice(0, 70)],
  ['empty', ''],
  ['only its public half', pem(publicHalf)],
  ['for agreeing on secrets (X25519)', pem(generateKeyPairSync('x25519').privateKey)],
  ['of another curve (P-256)', pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)],
])('a key that is %s is an error which names the file, and nothing of what is in it', async (_name, text) => {
  const dir = await leftBehind(folder, { 'key.pem': text })
  const failing = keysIn(dir).current()
  await expect(failing).rejects.toThrow(`${join(dir, 'key.pem')} cannot be used: `)
  const { stack = '' } = (await failing.catch((error: unknown) => error)) as Error
  const secrets = text.split('\n').filter((line) => line !== '' && !line.startsWith('-----'))
  for (const secret of secrets) expect(stack).not.toContain(secret.slice(0, 12))
  // Whoever put it there may want it back.
  expect(await readFile(join(dir, 'key.pem'), 'utf8')).toBe(text)
})

test.each(['', '{', 'null', '"x"', '{"id":"no uuid"}', `{"id":"${randomUUID()}"}`])(
  'with %j for an id the key is not enrolled, and can be',
  async (text) => {
    const dir = await leftBehind(folder, { 'credential.json': text })
    const current = await keysIn(dir).current()
    expect(current.id).toBeUndefined()
    const id = randomUUID()
    await current.enrolled(id)
    expect((await keysIn(dir).current()).id).toBe(id)
  },
)

test('where no folder can be the error says so, and a later try works', async () => {
  const dir = place()
  await writeFile(dir, 'a file where the folder should be')
  const keys = keysIn(dir)
  await expect(keys.current()).rejects.toThrow(`${join(dir, 'key.pem')} cannot be used: ENOTDIR`)
  await expect(keys.age()).rejects.toThrow('ENOTDIR')
  await rm(dir)
  expect((await keys.current()).publicKey).toBe(publicKeyOf(await readFile(join(dir, 'key.pem'), 'utf8')))
})

test('a key that cannot be kept is none: the error says where, and what to do, and a later try works', async () => {
  const dir = place()
  await symlink(join(folder, 'unmounted', 'state'), dir)
  const keys = keysIn(dir)
  const failing = keys.current()
  await expect(failing).rejects.toThrow(`the key of this site cannot be kept in ${dir}: ENOENT`)
  await expect(failing).rejects.toThrow(/\. Set STATE_DIR$/)
  await mkdir(join(folder, 'unmounted', 'state'), { recursive: true })
  expect((await keys.current()).publicKey).toBe(publicKeyOf(await readFile(join(dir, 'key.pem'), 'utf8')))
})

test('an id that is not on the disk is not used: after the next start nobody would know it', async () => {
  const dir = place()
  const current = await keysIn(dir).current()
  const inTheWay = join(dir, 'credential.json')
  await mkdir(inTheWay)
  await expect(current.enrolled(randomUUID())).rejects.toThrow(inTheWay)
  expect(current.id).toBeUndefined()
  await rm(inTheWay, { recursive: true })
  const id = randomUUID()
  await current.enrolled(id)
  expect(current.id).toBe(id)
  expect(await namesIn(dir)).toEqual(['credential.json', 'key.pem'])
})
