import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
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
    // Whether the server lives is told to everybody, however the question is written.
    for (const path of ['/health', '/health?', '/ready/'])
      expect([path, (await fetch(stack.url + path, { headers: own })).status]).toEqual([path, 200])
  })

  test('with a right of its own for what is not its own leaves no more rows than it may fail', async () => {
    const { id: enrolmentId, secret } = (await stack.post('/enrolments', { clients: 'prying_*', uses: 2 })).body
    const site = (await stack.post('/credentials', { clientId: 'prying_1' }, bearer(secret))).body
    const tries: [string, string, () => Promise<Response>][] = [
      [
        'an upload to a job of nobody',
        'client prying_1',
        () => fetch(`${stack.url}/jobs/none/file`, { method: 'PUT', headers: bearer(site['secret']), body: 'x' }),
      ],
      [
        'an enrolment of a site that is taken',
        `enrolment ${enrolmentId}`,
        () =>
          fetch(`${stack.url}/credentials`, {
            method: 'POST',
            headers: { ...bearer(secret), 'content-type': 'application/json' },
            body: JSON.stringify({ clientId: 'prying_1' }),
          }),
      ],
    ]
    for (const [name, actor, attempt] of tries) {
      for (let count = 0; count < 100; count += 1) await (await attempt()).arrayBuffer()
      expect([name, (await attempt()).status]).toEqual([name, 429])
      const { entries } = await stack.get(`/audit?limit=1000&actor=${encodeURIComponent(actor)}`)
      expect([name, entries.filter(({ status }: Json) => status >= 400).length]).toEqual([name, 60])
    }
  })

  test('to be enrolled once more, with the same key, is told to wait', async () => {
    const { secret } = (await stack.post('/enrolments', { clients: 'same' })).body
    const publicKey = `${'a'.repeat(42)}A`
    const enrol = () => stack.post('/credentials', { clientId: 'same', publicKey }, bearer(secret))
    for (let count = 0; count < 600; count += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, enrol))
      expect(answers.filter(({ status }) => status !== 201)).toEqual([])
    }
    expect((await enrol()).status).toBe(429)
  })

  test('without a token leaves few rows, whatever it says that it is', async () => {
    const strangers = async (): Promise<number> => {
      const { entries } = await stack.get('/audit?limit=1000&actor=nobody')
      return entries.length
    }
    const before = await strangers()
    const outOfDate = bearer(`bhs_${'x'.repeat(43)}`)
    for (let count = 0; count < 200; count += 1) {
      await fetch(`${stack.url}/sessions`)
      await fetch(`${stack.url}/health`, { method: 'POST' })
      await fetch(`${stack.url}/downloads`, { headers: outOfDate })
      // As it is with every agent: its session's token has run out.
      expect((await fetch(`${stack.url}/jobs?client=x`, { headers: outOfDate })).status).toBe(401)
    }
    expect((await strangers()) - before).toBeLessThanOrEqual(60)
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
