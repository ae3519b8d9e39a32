import { randomUUID } from 'node:crypto'
import { readdir, readFile, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openKeys } from '../../agent/credential.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { leftBehind, proves, type Known } from '../helpers/key-folder.ts'

const clientId = 'shop_1'
const DAY_MS = 24 * 3600_000

/** A key and its id: what the files hold, and what a server knows of it. */
interface Made {
  pem: string
  json: string
  known: Known
}
let folder: string
let remove: () => Promise<void>
/** The key in use, and the one that is to take its place. */
let old: Made
let next: Made

const keysIn = (dir: string) => openKeys({ dir, clientId })
const namesIn = async (dir: string): Promise<string[]> => (await readdir(dir)).toSorted()

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
  const dir = join(folder, 'made')
  const read = async (prefix: string): Promise<Made> => {
    const pem = await readFile(join(dir, `${prefix}key.pem`), 'utf8')
    const json = await readFile(join(dir, `${prefix}credential.json`), 'utf8')
    return { pem, json, known: JSON.parse(json) as Known }
  }
  const keys = keysIn(dir)
  await (await keys.current()).enrolled(randomUUID())
  await (await keys.make()).enrolled(randomUUID())
  old = await read('')
  next = await read('next-')
})
afterAll(() => remove())

test('a rotation goes from one key to the next, which has an age of its own; a dropped one is gone', async () => {
  const dir = await leftBehind(folder, { 'key.pem': old.pem, 'credential.json': old.json })
  const longAgo = new Date(Date.now() - 10 * DAY_MS)
  await utimes(join(dir, 'key.pem'), longAgo, longAgo)
  const keys = keysIn(dir)
  expect(await keys.age()).toBeGreaterThanOrEqual(10 * DAY_MS)
  await (await keys.make()).enrolled(randomUUID())
  await keys.drop()
  expect(await namesIn(dir)).toEqual(['credential.json', 'key.pem'])
  expect(await keys.next()).toBeUndefined()
  const { publicKey, enrolled } = await keys.make()
  const id = randomUUID()
  await enrolled(id)
  expect((await keys.current()).id).toBe(old.known.id)
  await keys.promote()
  expect(proves(await keys.current(), { clientId, publicKey, id })).toBe(true)
  expect(await keys.age()).toBeLessThan(DAY_MS)
  expect(await namesIn(dir)).toEqual(['credential.json', 'key.pem'])
})

/** A folder with the old key in use, and what else a rotation put there. */
const inUse = (more: Record<string, string>) => ({ 'key.pem': old.pem, 'credential.json': old.json, ...more })
const [KEY, ID] = ['next-key.pem', 'next-credential.json']
const UNFINISHED = '.5b0f6a0e-8ad0-4f0c-a5cf-6a1ee1f0c5c3.new'

type State = [step: string, files: () => Record<string, string>, provable: 'old' | 'both' | 'next']
const states: State[] = [
  ['before it', () => inUse({}), 'old'],
  ['while the next key is written', () => inUse({ [KEY + UNFINISHED]: next.pem.slice(0, 50) }), 'old'],
  ['when that has its name', () => inUse({ [KEY]: next.pem, [KEY + UNFINISHED]: next.pem }), 'old'],
  ['when it is made', () => inUse({ [KEY]: next.pem }), 'old'],
  ['while its id is written', () => inUse({ [KEY]: next.pem, [ID + UNFINISHED]: next.json.slice(0, 20) }), 'old'],
  ['when it is enrolled', () => inUse({ [KEY]: next.pem, [ID]: next.json }), 'both'],
  ['when it is renamed', () => ({ 'key.pem': next.pem, 'credential.json': old.json, [ID]: next.json }), 'next'],
  ['after a start since', () => ({ 'key.pem': next.pem, 'credential.json': next.json, [ID]: next.json }), 'next'],
  ['after it', () => ({ 'key.pem': next.pem, 'credential.json': next.json }), 'next'],
  ['while it is dropped', () => inUse({ [KEY]: next.pem }), 'old'],
  ['when its id outlives it', () => inUse({ [ID]: next.json }), 'old'],
]

test.each(states)('power is cut in a rotation, %s: the site is still known, and gets a new key', async (...state) => {
  const [, files, provable] = state
  const dir = await leftBehind(folder, files())
  const { known } = provable === 'next' ? next : old
  expect(proves(await keysIn(dir).current(), known)).toBe(true)
  const waiting = await keysIn(dir).next()
  if (provable === 'both') expect(waiting && proves(waiting, next.known)).toBe(true)
  else expect(waiting?.id).toBeUndefined()

  // What was begun is brought to its end, or begun anew.
  const keys = keysIn(dir)
  const following = (await keys.next()) ?? (await keys.make())
  expect(following.publicKey).not.toBe(known.publicKey)
  if (following.id === undefined) await following.enrolled(randomUUID())
  const { publicKey, id = '' } = following
  // Until then the server knows both.
  expect(proves(await keys.current(), known)).toBe(true)
  await keys.promote()
  for (const opened of [keys, keysIn(dir)]) {
    expect(proves(await opened.current(), { clientId, publicKey, id })).toBe(true)
    expect(await opened.next()).toBeUndefined()
  }
})
