import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startCluster, type Cluster } from '../helpers/cluster.ts'
import { openPolls } from '../helpers/open-polls.ts'
import type { Json, Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

/** How late news of another server may be, in ms: a machine that does much else may be late, too. */
const SOON = 5_000

describe('rights are the same at every server', () => {
  let cluster: Cluster
  let a: Stack
  let b: Stack
  let c: Stack

  beforeAll(async () => {
    cluster = await startCluster({ env: { AUTH: 'on', ADMIN_TOKEN: ADMIN } })
    ;[a, b, c] = cluster.servers
  })
  afterAll(() => cluster.stop())

  const statusAt = async (at: Stack, headers: Record<string, string>): Promise<number> =>
    (await fetch(`${at.url}/downloads`, { headers })).status

  test('the first admin is one, though three servers were told of it at the same time', async () => {
    for (const server of cluster.servers) expect(await statusAt(server, bearer(ADMIN))).toBe(200)
    expect((await b.get('/tokens'))['tokens']).toHaveLength(1)
  })

  test('a token of one is good at all, and ends at all when one revokes it', async () => {
    const { body } = await a.post('/tokens', { name: randomUUID(), role: 'operator' })
    const headers = bearer(body['secret'])
    for (const server of cluster.servers) expect(await statusAt(server, headers)).toBe(200)
    await fetch(`${c.url}/tokens/${body['id']}`, { method: 'DELETE', headers: bearer(ADMIN) })
    const before = performance.now()
    for (const server of cluster.servers)
      await until('its end', async () => (await statusAt(server, headers)) === 401, SOON)
    expect(performance.now() - before).toBeLessThan(SOON)
  })

  test('an enrolment for one site is spent once, wherever it is asked for', async () => {
    const { secret } = (await a.post('/enrolments', { clients: 'shop_*', uses: 1 })).body
    const take = (server: Stack, index: number) =>
      server.post('/credentials', { clientId: `shop_${index}` }, bearer(secret))
    const answers = await Promise.all(cluster.servers.map(take))
    expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([201, 403, 403])
  })

  test('a credential that one revokes ends the poll that another holds', async () => {
    const { secret } = (await a.post('/enrolments', { clients: 'site' })).body
    const own = bearer((await b.post('/credentials', { clientId: 'site' }, bearer(secret))).body['secret'])
    const poll = fetch(`${a.url}/jobs?client=site`, { headers: { ...own, prefer: 'wait=300' } })
    await until('the poll to be held', async () => (await openPolls(a, bearer(ADMIN))) > 0)
    const { credentials } = await c.get('/credentials?client=site')
    const before = performance.now()
    await fetch(`${c.url}/credentials/${credentials[0].id}`, { method: 'DELETE', headers: bearer(ADMIN) })
    expect((await poll).status).toBe(401)
    expect(performance.now() - before).toBeLessThan(SOON)
  })

  test('an agent with a key proves itself to one and goes on at another', async () => {
    const agent = await a.online('keyed')
    const { session } = await agent.line((line) => line['msg'] === 'session begun')
    await agent.kill('SIGKILL')
    // The same state, and so the same key.
    const again = a.agent('keyed', ['--server', b.url])
    await until('it to be there', async () => {
      const client = await c.get('/clients/keyed')
      return client['status'] === 'online' && again.output().includes('session begun')
    })
    expect(session).toMatch(/^1\./)
  })

  test('who is refused too often is refused by all, and all of it is in the audit of each', async () => {
    const guess = async (at: Stack): Promise<number> => statusAt(at, bearer('guessed'))
    const statuses: number[] = []
    for (let turn = 0; !statuses.includes(429); turn += 1) statuses.push(await guess(cluster.servers[turn % 3]!))
    // Less what the tests before this one were refused.
    expect(statuses.length).toBeGreaterThan(30)
    expect(statuses.length).toBeLessThanOrEqual(61)
    for (const server of cluster.servers) expect(await guess(server)).toBe(429)
    expect(await statusAt(a, bearer(ADMIN))).toBe(200)
    for (const server of cluster.servers) {
      const { entries } = await server.get('/audit?actor=nobody&limit=1000')
      const refused = entries.filter((entry: Json) => entry['action'] === 'GET /downloads')
      expect(refused.length).toBeGreaterThanOrEqual(statuses.length - 1)
    }
  })
})
