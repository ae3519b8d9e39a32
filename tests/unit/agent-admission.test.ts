import { access } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { startForgetfulWay } from '../helpers/forgetful.ts'
import { createKeyedSite, enrolledSite, enrolmentFor } from '../helpers/keyed-site.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

const TOKEN = /^bhs_/
const AUTH = { AUTH: 'on', ADMIN_TOKEN: ADMIN }
const ENROLLED = 'enrolled: the server knows the key of this site'
let stack: Stack

beforeAll(async () => {
  stack = await startStack(AUTH)
})
afterAll(() => stack.stop())

test('a server that asks nobody who they are gets no proof, and no key is made', async () => {
  const open = await startStack()
  const asked: string[] = []
  const way = await startForgetfulWay(
    open.url,
    () => false,
    ({ method, path }) => void asked.push(`${method} ${path}`),
  )
  const { enter, dir } = createKeyedSite(stack)
  const session = await enter({ url: way.url, enrolToken: 'bhe_unused', keyAge: 0 })
  expect(session).toMatchObject({ protocol: 1, session: expect.stringMatching(/^1\./) })
  expect(session.token).toBeUndefined()
  expect(asked).toEqual(['POST /sessions'])
  await expect(access(dir)).rejects.toMatchObject({ code: 'ENOENT' })
  await way.close()
  await open.stop()
})

test('without an enrolment token a new site is told what it needs', async () => {
  const { enter, inForce } = createKeyedSite(stack)
  const entering = enter()
  await expect(entering).rejects.toMatchObject({ name: 'Refused', problem: { code: 'unauthenticated' } })
  await expect(entering).rejects.toThrow('ENROL_TOKEN')
  expect(await inForce()).toEqual([])
})

test('a site is enrolled once, and then known by its key', async () => {
  const { enter, inForce, said } = await enrolledSite(stack)
  expect((await enter()).token).toMatch(TOKEN)
  expect((await enter({ enrolToken: 'bhe_of_no_use_any_more', keyAge: 3600_000 })).token).toMatch(TOKEN)
  expect(await inForce()).toEqual([true])
  expect(said()).toEqual([[30, ENROLLED]])
})

test.each([1, 2])('the answer to an enrolment of %i uses is lost: the same key is enrolled once', async (uses) => {
  const { clientId, enter, inForce, keys, said } = createKeyedSite(stack)
  const { id, secret } = await enrolmentFor(stack, clientId, uses)
  const isFirst = once(({ path }: { path: string }) => path === '/credentials')
  const way = await startForgetfulWay(stack.url, isFirst)
  await expect(enter({ url: way.url, enrolToken: secret })).rejects.toMatchObject({ name: 'TransientError' })
  expect(way.lost()).toEqual(['POST /credentials'])
  // The server has it, and the site does not know.
  expect(await inForce()).toEqual([true])
  expect((await keys().current()).id).toBeUndefined()
  expect((await enter({ url: way.url, enrolToken: secret })).token).toMatch(TOKEN)
  const { credentials } = await stack.get(`/credentials?client=${clientId}`)
  expect(credentials).toEqual([expect.objectContaining({ id: (await keys().current()).id, revokedAt: null })])
  const { enrolments } = await stack.get('/enrolments')
  expect(enrolments.find((one: Json) => one['id'] === id)).toMatchObject({ usesLeft: uses - 1 })
  expect((await enter()).token).toMatch(TOKEN)
  expect(said()).toEqual([[30, ENROLLED]])
  await way.close()
})

test('a session whose answer is lost can be begun again, with the same proof of who it is', async () => {
  const { enter, inForce } = await enrolledSite(stack)
  let proofs = 0
  // The first request of each session only asks for a nonce.
  const way = await startForgetfulWay(stack.url, ({ path }) => path === '/sessions' && (proofs += 1) === 2)
  await expect(enter({ url: way.url })).rejects.toMatchObject({ name: 'TransientError' })
  expect((await enter({ url: way.url })).token).toMatch(TOKEN)
  expect(await inForce()).toEqual([true])
  await way.close()
})

test('a server that lost its database is given the key again', async () => {
  const { clientId, enter, said } = await enrolledSite(stack)
  const other = await startStack(AUTH)
  const { secret } = await enrolmentFor(other, clientId)
  await expect(enter({ url: other.url })).rejects.toMatchObject({ name: 'TransientError' })
  expect((await enter({ url: other.url, enrolToken: secret })).token).toMatch(TOKEN)
  expect((await enter({ url: other.url })).token).toMatch(TOKEN)
  expect(said()).toEqual([
    [30, ENROLLED],
    [30, ENROLLED],
  ])
  await other.stop()
})

/** True for the first argument for which `matches` is. */
function once<A>(matches: (asked: A) => boolean): (asked: A) => boolean {
  let done = false
  return (asked) => !done && (done = matches(asked))
}
