import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

describe('who asks too often', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
  })
  afterAll(() => stack.stop())

  test('without a token is told to wait, and holds back nobody who has one', async () => {
    const guess = (): Promise<Response> => fetch(`${stack.url}/downloads`, { headers: bearer('guessed') })
    const first = await Promise.all(Array.from({ length: 60 }, guess))
    expect(first.map(({ status }) => status)).toEqual(first.map(() => 401))
    const refused = await guess()
    expect([refused.status, await refused.json()]).toMatchObject([429, { code: 'too-many-requests' }])
    const wait = Number(refused.headers.get('retry-after'))
    expect(wait).toBeGreaterThan(0)
    expect(wait).toBeLessThanOrEqual(60)
    expect((await fetch(`${stack.url}/downloads`, { headers: bearer(ADMIN) })).status).toBe(200)
    expect((await fetch(`${stack.url}/health`)).status).toBe(200)
    const agent = await stack.online('late')
    await agent.kill('SIGTERM')
  })

  test('as an agent is told to wait, and what it sends of files is not counted', async () => {
    const { secret } = (await stack.post('/enrolments', { clients: 'hasty' })).body
    const own = bearer((await stack.post('/credentials', { clientId: 'hasty' }, bearer(secret))).body['secret'])
    const poll = async (): Promise<number> => (await fetch(`${stack.url}/jobs?client=hasty`, { headers: own })).status
    const answers = new Map<number, number>()
    // Fifty at once are quicker than one after the other.
    const ask = async (): Promise<void> => {
      while (!answers.has(429)) {
        const status = await poll()
        answers.set(status, (answers.get(status) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: 50 }, ask))
    expect(answers.get(204)).toBeGreaterThanOrEqual(6000)
    const put = await fetch(`${stack.url}/jobs/none/file`, { method: 'PUT', headers: own, body: 'x' })
    expect(put.status).not.toBe(429)
  })

  test('for news holds eight polls, and the oldest is answered', async () => {
    const poll = (): Promise<Response> =>
      fetch(`${stack.url}/jobs?client=many`, { headers: { ...own, prefer: 'wait=300' } })
    const { secret } = (await stack.post('/enrolments', { clients: 'many' })).body
    const credential = await stack.post('/credentials', { clientId: 'many' }, bearer(secret))
    const own = bearer(credential.body['secret'])
    const held = (count: number) =>
      until(`${count} polls`, async () => (await openPolls(stack, bearer(ADMIN))) === count)
    const oldest = poll()
    await held(1)
    const others = Array.from({ length: 7 }, poll)
    await held(8)
    const ninth = poll()
    expect((await oldest).status).toBe(204)
    await held(8)
    await stack.ask({ clientId: 'many' })
    for (const answer of await Promise.all([...others, ninth])) expect(answer.status).toBe(200)
  })
})
