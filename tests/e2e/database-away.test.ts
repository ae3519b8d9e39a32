import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bearer, ADMIN } from '../helpers/admin.ts'
import { startClusterProxy } from '../helpers/cluster-proxy.ts'
import { startCluster, type Cluster } from '../helpers/cluster.ts'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { startPostgres, type PostgresServer } from '../helpers/postgres-server.ts'
import { metricsOf, valueOf } from '../helpers/prometheus.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { certificateOf } from '../helpers/reverse-proxies.ts'
import { sharedStores, type SharedStores } from '../helpers/shared-stores.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const SIZE = 24 * MiB
/** How late a job may reach a site that waits, once the database is there, in ms: 2 s, and a machine that does much else. */
const SOON = 5_000

let database: PostgresServer
let stores: SharedStores

beforeAll(async () => {
  database = await startPostgres()
  stores = await sharedStores(await database.newDatabase())
})
afterAll(async () => {
  await stores.remove()
  await database.remove()
})

const isReady = async ({ url }: { url: string }): Promise<boolean> => (await fetch(`${url}/ready`)).status === 200

describe('the database stops, and starts again', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({}, { stores })
  })
  afterAll(() => stack.stop())

  /** A download whose upload takes some seconds, once some of it is there. */
  const underWay = async (clientId: string) => {
    const file = join(stack.folder, `${clientId}.bin`)
    const sha256 = await writeRandom(file, SIZE)
    await stack.online(clientId, ['--file', file, '--limit', '6MB/s', '--chunk-size', '1MiB'])
    const { id } = await stack.ask({ clientId })
    await until('some of it', async () => (await stack.get(`/downloads/${id}`))['bytesReceived'] > 2 * MiB)
    return { id: String(id), sha256 }
  }

  test.each(['fast', 'immediate'] as const)(
    'with %s: held polls live on, what is asked for then is heard of at once, and uploads go on',
    async (how) => {
      const { id, sha256 } = await underWay(how)
      const clientId = `held-${how}`
      const { headers } = await rawAgent(stack, clientId)
      const { rev } = await stack.get(`/jobs?client=${clientId}&seen=0`, headers)
      const before = await openPolls(stack)
      const held = fetch(`${stack.url}/jobs?client=${clientId}&seen=${rev}`, {
        headers: { ...headers, prefer: 'wait=300' },
      })
      await until('the poll to be held', async () => (await openPolls(stack)) > before)

      await database.stop(how)
      await until('it to be noticed', async () => !(await isReady(stack)))
      const refused = await stack.post('/downloads', { clientId, path: 'early' })
      expect([refused.status, refused.body['code']]).toEqual([503, 'store-busy'])
      expect((await fetch(`${stack.url}/health`)).status).toBe(200)
      const metrics = await metricsOf(stack)
      expect(valueOf(metrics, 'backhaul_look_success{look="downloads"}')).toBe(0)
      expect(valueOf(metrics, 'backhaul_downloads_open{status="queued"}')).toBeUndefined()
      expect(valueOf(metrics, 'backhaul_polls_open')).toBeGreaterThan(before)
      await database.start()

      const asked = await until('a job to be taken', async () => {
        const answer = await stack.post('/downloads', { clientId, path: 'late' })
        return answer.status === 202 && answer.body
      })
      const askedAt = performance.now()
      const answer = await held
      expect(performance.now() - askedAt).toBeLessThan(SOON)
      expect([answer.status, await answer.json()]).toMatchObject([200, { jobs: [{ id: asked['id'] }] }])
      expect(await isReady(stack)).toBe(true)
      expect(await stack.ended(id, 60_000)).toMatchObject({ status: 'completed', verified: true, sha256, attempt: 1 })
    },
    120_000,
  )
})

describe('one of three servers is cut from the database', () => {
  let cluster: Cluster
  let line: Proxy
  let proxy: Awaited<ReturnType<typeof startClusterProxy>>

  const needs = { programs: ['haproxy', 'openssl'] }

  beforeAll(async () => {
    line = await startProxy(stores.env['DATABASE_URL'] ?? '')
    const url = new URL(stores.env['DATABASE_URL'] ?? '')
    url.port = new URL(line.url).port
    const env = { TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN }
    cluster = await startCluster({ env, third: { DATABASE_URL: url.href }, stores })
  })
  afterAll(async () => {
    await proxy?.stop()
    await Promise.all(cluster.servers.map((server) => server.stop()))
    await line.close()
  })

  const pollsAt = (server: Stack): Promise<number> => openPolls(server, bearer(ADMIN))

  /** Sites until one polls at the server that is about to be cut off. */
  const siteAt = async (server: Stack, name: string): Promise<{ clientId: string; sha256: string }> => {
    for (let number = 0; ; number += 1) {
      const clientId = `${name}-${number}`
      const file = join(server.folder, clientId)
      const sha256 = await writeRandom(file, MiB)
      const before = await pollsAt(server)
      const way = ['--server', proxy.url, '--ca', certificateOf(proxy)]
      const agent = await cluster.servers[0].online(clientId, [...way, '--file', file])
      await agent.line((one) => one['msg'] === 'session begun')
      if ((await pollsAt(server)) > before) return { clientId, sha256 }
    }
  }

  testWith(
    needs,
    'refused or left without an answer, it says that it is not ready, and its sites carry on at the others',
    async () => {
      const [a, , c] = cluster.servers
      proxy = await startClusterProxy(cluster.servers.map(({ url }) => url))
      for (const [name, cut, mend] of [
        ['refused', line.refuse, line.welcome],
        ['silent', line.silence, line.mend],
      ] as const) {
        const { clientId, sha256 } = await siteAt(c, name)
        cut()
        const since = performance.now()
        const { id } = await a.ask({ clientId })
        const done: Json = await a.ended(id, 60_000)
        expect(done).toMatchObject({ status: 'completed', sha256, attempt: 1 })
        // haproxy asks each 2 s, waits 3 s, and believes the third time.
        expect(performance.now() - since).toBeLessThan(30_000)
        expect((await fetch(`${c.url}/ready`)).status).toBe(503)
        expect((await fetch(`${a.url}/ready`)).status).toBe(200)
        mend()
        await until('it to be ready again', () => isReady(c), 60_000)
      }
    },
    240_000,
  )
})
