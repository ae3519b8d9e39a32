import { once } from 'node:events'
import { readFile, rename } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startClusterProxy } from '../helpers/cluster-proxy.ts'
import { lacking } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { callsOverTls } from '../helpers/over-tls.ts'
import { certificateOf } from '../helpers/reverse-proxies.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const needs = { programs: ['haproxy', 'openssl'] }
const admin = bearer(ADMIN)
const MINUTE = 60_000

// Three servers that know nothing of each other are enough to see where the proxy sends whom.
describe('deploy/cluster/haproxy.cfg', () => {
  let servers: Stack[] = []
  let proxy: Awaited<ReturnType<typeof startClusterProxy>> | undefined
  let calls: ReturnType<typeof callsOverTls>

  const manyCalls = async (): Promise<number[]> => {
    const all = Array.from({ length: 30 }, () => calls.text({ path: '/clients', headers: admin }))
    return [...new Set((await Promise.all(all)).map(({ status }) => status))]
  }

  /** A call that waits at one server, through the proxy: the others do not know who calls. @returns how it ends */
  const heldAt = async (server: Stack): Promise<{ how: number | 'cut' | undefined }> => {
    const enrolment = await server.post('/enrolments', { clients: 'site' })
    const { body } = await server.post('/credentials', { clientId: 'site' }, bearer(enrolment.body['secret']))
    const headers = { ...bearer(body['secret']), prefer: 'wait=300' }
    await fetch(`${server.url}/jobs?client=site`, { headers: bearer(body['secret']) })
    for (;;) {
      const poll = calls.begin({ path: '/jobs?client=site', headers })
      const end: { how: number | 'cut' | undefined } = { how: undefined }
      once(poll, 'response').then(
        ([answer]) => (end.how = (answer as IncomingMessage).statusCode ?? 0),
        () => (end.how = 'cut'),
      )
      poll.end()
      await until('its poll, or an answer', async () => end.how !== undefined || (await openPolls(server, admin)) === 1)
      if (end.how === undefined) return end
    }
  }

  beforeEach(async () => {
    if (lacking(needs).length > 0) return
    servers = await Promise.all([1, 2, 3].map(() => startStack({ TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN })))
    proxy = await startClusterProxy(servers.map(({ url }) => url))
    calls = callsOverTls(proxy.url, await readFile(certificateOf(proxy)))
    await until('the servers to be found ready', async () => (await calls.text({ path: '/ready' })).status === 200)
  })
  afterEach(async () => {
    await proxy?.stop()
    await Promise.all(servers.map((server) => server.stop()))
  })

  testWith(needs, 'one that is killed is missed by no call', async () => {
    expect(await manyCalls()).toEqual([200])
    await servers[0]?.server.kill('SIGKILL')
    expect(await manyCalls()).toEqual([200])
  })

  testWith(
    needs,
    'who waits at one that stands still is let go, and finds another',
    async () => {
      const [first] = servers
      if (!first) throw new Error('no server')
      const ended = await heldAt(first)
      process.kill(first.server.pid, 'SIGSTOP')
      await until('its end', async () => ended.how !== undefined, MINUTE)
      expect(ended.how).not.toBe(200)
      expect(await manyCalls()).toEqual([200])
      process.kill(first.server.pid, 'SIGCONT')
    },
    2 * MINUTE,
  )

  testWith(
    needs,
    'while none is ready, a server says why, and all goes on when they are',
    async () => {
      for (const { downloads } of servers) await rename(downloads, `${downloads}-away`)
      const told = await until(
        'a server to tell',
        async () => {
          const { status, body } = await calls.text({ path: '/ready' })
          return status !== 200 && body.startsWith('{') && body
        },
        MINUTE,
      )
      expect(JSON.parse(told)).toMatchObject({ type: expect.stringMatching(/^urn:backhaul:problem:/) })
      await until('the proxy to know', async () => (await proxy?.log())?.includes('has no server available'), MINUTE)
      expect(await calls.text({ path: '/health' })).toMatchObject({ status: 200 })
      for (const { downloads } of servers) await rename(`${downloads}-away`, downloads)
      await until('them to be ready', async () => (await calls.text({ path: '/ready' })).status === 200, MINUTE)
      expect(await manyCalls()).toEqual([200])
    },
    3 * MINUTE,
  )
})
