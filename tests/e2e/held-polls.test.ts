import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { testWith } from '../helpers/needs.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { start } from '../helpers/process.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

/** Longer than a test may take: what is answered within a test was not held to its end. */
const FOR_LONG = { prefer: 'wait=300' }

describe('held polls', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const poll = (query: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${stack.url}/jobs?${query}`, { headers: { ...FOR_LONG, ...headers } })

  const held = (count: number): Promise<boolean> =>
    until(`${count} polls to be held`, async () => (await openPolls(stack)) === count)

  test.each([
    ['client=one&client=two', 'client'],
    ['client=one&seen=1&seen=2', 'seen'],
    ['client=one&seen=x', 'seen'],
    ['client=a%20b', 'client'],
    ['seen=1', 'client'],
  ])('%s is refused at once', async (query, field) => {
    const answer = await poll(query)
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'invalid', field }])
  })

  test('an old session is refused at once, a held one as soon as another begins', async () => {
    const first = await rawAgent(stack, 'twice')
    const held1 = poll('client=twice', first.headers)
    await held(1)
    const second = await rawAgent(stack, 'twice')
    for (const answer of [await held1, await poll('client=twice', first.headers)]) {
      expect([answer.status, await answer.json()]).toMatchObject([409, { code: 'session-superseded' }])
    }
    expect(second.status).toBe(201)
  })

  test('what is no news leaves a poll held, and what is answers each of those that are held', async () => {
    const agent = await rawAgent(stack, 'news')
    const { id } = await stack.ask({ clientId: 'news' })
    const { rev } = (await (await poll('client=news', agent.headers)).json()) as { rev: number }
    const answers = [1, 2].map(() => poll(`client=news&seen=${rev}`, agent.headers))
    await held(2)
    // The agent's own begin wakes its polls, and tells them nothing.
    expect((await agent.begin(id, 10)).status).toBe(200)
    expect(await openPolls(stack)).toBe(2)
    await stack.ask({ clientId: 'news', path: 'more' })
    for (const answer of await Promise.all(answers)) {
      expect([answer.status, await answer.json()]).toMatchObject([200, { rev: rev + 1, jobs: [{ id }, {}] }])
    }
  })

  test('a request with the whole URL in its first line is held, too', async () => {
    const { hostname, port, host } = new URL(stack.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    const lines = [`GET http://${host}/jobs?client=whole HTTP/1.1`, `Host: ${host}`, 'Prefer: wait=300']
    socket.write([...lines, 'Connection: close', '', ''].join('\r\n'))
    await held(1)
    const { id } = await stack.ask({ clientId: 'whole' })
    expect(await text(socket)).toContain(String(id))
  })

  test.each(['/jobs/?client=slash', '/Jobs?client=slash'])('%s is held as well as answered', async (path) => {
    // It may be answered after three quarters of that: long enough to be seen, also on a busy machine.
    const answer = fetch(stack.url + path, { headers: { prefer: 'wait=5' } })
    await held(1)
    expect((await answer).status).toBe(204)
  })

  test.each(['//elsewhere/jobs', '/x/../jobs', '/%2e/jobs'])(
    '%s, which is no path of a poll, is refused at once, and makes nobody known',
    async (path) => {
      // By hand: fetch would make `/jobs` of some of them.
      const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
      socket.write(
        `GET ${path}?client=ghost HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=300\r\nConnection: close\r\n\r\n`,
      )
      expect(await text(socket)).toMatch(/^HTTP\/1.1 404 [^]*"code":"route-unknown"/)
      expect(await stack.get('/clients/ghost')).toMatchObject({ code: 'client-unknown' })
    },
  )

  testWith({ long: true }, 'of hundreds of polls none is lost, and every download is heard of', async () => {
    const bench = start('bench/idle.ts', ['--agents', '400', '--wakes', '300'], {})
    expect(await bench.exited).toBe(0)
    expect(bench.output()).toMatch(/polls answered with 204: \d{3,}, with 200: \d{3,}; wrong: 0\n/)
  })
})
