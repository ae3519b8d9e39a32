import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startForgetfulWay, type ForgetfulWay, type Instead } from '../helpers/forgetful.ts'
import { enrolledSite, enrolmentFor } from '../helpers/keyed-site.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

const TOKEN = /^bhs_/
const REPLACED = [30, 'the site has a new key; the one before is revoked']
const NOT_REPLACED = [40, 'the key of this site could not be replaced; it is tried again with the next session']
const NOT_KEPT = [
  40,
  'the new key of this site is in use, but cannot be put in place of the old one; it is tried again with the next session',
]
let stack: Stack
const ways: ForgetfulWay[] = []

beforeAll(async () => {
  stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
})
afterAll(async () => {
  for (const way of ways) await way.close()
  await stack.stop()
})

interface Asked {
  method: string
  path: string
}

/** A way to the server on which the `nth` request to `path` is answered by somebody else, or its answer is lost. */
async function wayOn(path: string, nth: number, answer: Instead | 'lost'): Promise<string> {
  let count = 0
  const isMeant = (asked: Asked): boolean => asked.path === path && (count += 1) === nth
  const way =
    answer === 'lost'
      ? await startForgetfulWay(stack.url, isMeant)
      : await startForgetfulWay(
          stack.url,
          () => false,
          () => undefined,
          (asked) => (isMeant(asked) ? answer : undefined),
        )
  ways.push(way)
  return way.url
}

const problem = (status: number, code: string): Instead => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: JSON.stringify({ type: 'about:blank', title: code, status, code }),
})

test.each<[string, Instead | 'lost', atServer: boolean[]]>([
  ['401', problem(401, 'unauthenticated'), [true]],
  ['403', problem(403, 'not-permitted'), [true]],
  ["a proxy's 403", { status: 403, headers: { 'content-type': 'text/html' }, body: '<h1>Forbidden</h1>' }, [true]],
  ['404 by a server that knows no keys', problem(404, 'route-unknown'), [true]],
  ['500', problem(500, 'internal'), [true]],
  ['201 without an id', { status: 201, headers: { 'content-type': 'application/json' }, body: '{}' }, [true]],
  ['nothing, for the answer is lost', 'lost', [true, true]],
])('the next key is answered %s: the one in use still holds', async (_name, answer, atServer) => {
  const { enter, inForce, keys, said } = await enrolledSite(stack)
  const url = await wayOn('/credentials', 1, answer)
  expect((await enter({ url, keyAge: 0 })).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(NOT_REPLACED)
  expect(await inForce()).toEqual(atServer)
  const waiting = await keys().next()
  expect(waiting).toMatchObject({ id: undefined })
  // The same key is tried again, however young the one in use may be by now.
  expect((await enter()).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(REPLACED)
  expect((await keys().current()).publicKey).toBe(waiting?.publicKey)
  expect(await inForce()).toEqual([false, true])
})

test('a next key that was revoked does no harm, either', async () => {
  const { clientId, enter, inForce, keys, said } = await enrolledSite(stack)
  const next = await keys().make()
  const { secret } = await enrolmentFor(stack, clientId)
  const request = { clientId, publicKey: next.publicKey }
  const { id } = (await stack.post('/credentials', request, bearer(secret))).body
  await fetch(`${stack.url}/credentials/${id}`, { method: 'DELETE', headers: bearer(ADMIN) })
  expect((await enter()).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(NOT_REPLACED)
  // The same, had its id been known: then it is dropped, and there is another the next time.
  await next.enrolled(String(id))
  expect((await enter()).token).toMatch(TOKEN)
  expect(await keys().next()).toBeUndefined()
  expect((await enter({ keyAge: 0 })).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(REPLACED)
  expect(await inForce()).toEqual([false, false, true])
})

test.each([
  ['no enrolment token', async () => undefined],
  // Of a container it stays in the environment.
  ['one that is used up', async (clientId: string) => (await enrolmentFor(stack, clientId)).secret],
])(
  'the answer to the first use of the next key is lost, and there is %s: the next try has the new key',
  async (...row) => {
    const [, enrolled] = row
    const { clientId, enter, inForce, keys, said } = await enrolledSite(stack)
    const enrolToken = await enrolled(clientId)
    if (enrolToken !== undefined) await stack.post('/credentials', { clientId }, bearer(enrolToken))
    const before = (await inForce()).length
    // One for the nonce, one with the next key.
    const url = await wayOn('/sessions', 2, 'lost')
    const how = { url, ...(enrolToken === undefined ? {} : { enrolToken }) }
    await expect(enter({ ...how, keyAge: 0 })).rejects.toMatchObject({ name: 'TransientError' })
    expect((await inForce()).slice(before)).toEqual([true])
    const next = await keys().next()
    expect((await enter(how)).token).toMatch(TOKEN)
    expect(said().at(-1)).toEqual(REPLACED)
    expect((await keys().current()).publicKey).toBe(next?.publicKey)
  },
)

test('a next key whose first use may yet reach the server is kept: it may be the only one that is good', async () => {
  const { clientId, enter, inForce, keys, said } = await enrolledSite(stack)
  const url = await wayOn('/sessions', 2, { status: 504, body: '' })
  expect((await enter({ url, keyAge: 0 })).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(NOT_REPLACED)
  const next = await keys().next()
  expect(next?.id).toBeDefined()
  // The request that the proxy gave up comes through after all.
  const late = { protocol: 1, clientId, instance: 'x'.repeat(16), takeover: true, shared: [] }
  const agent = { version: 'test', platform: 'test', hostname: 'test' }
  const refused = await fetch(`${stack.url}/sessions`, { method: 'POST' })
  const nonce = String(/nonce="([^"]+)"/.exec(String(refused.headers.get('www-authenticate')))?.[1])
  const authorization = next!.prove({
    purpose: 'session',
    nonce,
    subject: late.instance,
    origin: new URL(stack.url).origin,
  })
  expect((await stack.post('/sessions', { ...late, agent }, { authorization })).status).toBe(201)
  expect(await inForce()).toEqual([false, true])
  expect((await enter()).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(REPLACED)
})

test('another agent holds the session: the agent hears that, and not that its key is wrong', async () => {
  const { enter, said } = await enrolledSite(stack)
  const held = enter({ keyAge: 0, patient: true })
  await expect(held).rejects.toMatchObject({ name: 'Refused', problem: { code: 'session-held' } })
  expect(said()).toHaveLength(1)
  expect((await enter()).token).toMatch(TOKEN)
  expect(said().at(-1)).toEqual(REPLACED)
})

test.each([
  ['key', 'key.pem'],
  ['id', 'credential.json'],
])(
  'the %s cannot be put in its place: the session is begun all the same, and the next time it is',
  async (_what, name) => {
    const { dir, enter, keys, said } = await enrolledSite(stack)
    await enter({ url: await wayOn('/sessions', 2, { status: 503, body: '' }), keyAge: 0 })
    const own = keys()
    await own.current()
    const [path, aside] = [join(dir, name), join(dir, 'aside')]
    await rename(path, aside)
    await mkdir(path)
    expect((await enter({ keys: own })).token).toMatch(TOKEN)
    expect(said().at(-1)).toEqual(NOT_KEPT)
    await rm(path, { recursive: true })
    await rename(aside, path)
    // By the same agent, which has not been started again.
    expect((await enter({ keys: own })).token).toMatch(TOKEN)
    expect((await enter()).token).toMatch(TOKEN)
    expect(await keys().next()).toBeUndefined()
  },
)
