import { readFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { Agent, get, request, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect } from '@jest/globals'
import { formatDigest } from '../../shared/digest.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { fakeClock } from '../helpers/faketime.ts'
import { sha256Of, sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { start } from '../helpers/process.ts'
import type { Program } from '../helpers/programs.ts'
import { startProxy } from '../helpers/proxy.ts'
import { certificateOf, startHaproxy, startNginx, type Passed, type ReverseProxy } from '../helpers/reverse-proxies.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

const KiB = 1024
const MiB = 1024 * KiB

const chunks = (passed: Passed[]): Passed[] => passed.filter(({ method }) => method === 'PUT')

describe('reverse proxies', () => {
  let stack: Stack
  let file: string
  let sha256: string
  const proxies: Pick<Program, 'stop'>[] = []

  beforeAll(async () => {
    stack = await startStack()
    file = join(stack.folder, 'large.bin')
    sha256 = await writeRandom(file, 64 * MiB)
  })
  afterEach(async () => {
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()))
  })
  afterAll(() => stack.stop())

  const kept = <P extends Pick<Program, 'stop'>>(proxy: P): P => {
    proxies.push(proxy)
    return proxy
  }

  /** Asks for the file and expects it whole. */
  const fetchWhole = async (clientId: string, expected = sha256): Promise<void> => {
    const { id } = await stack.ask({ clientId })
    const done = await stack.reached(id, 'completed')
    expect(done).toMatchObject({ verified: true, sha256: expected })
    expect(await sha256OfFile(done['filePath'])).toBe(expected)
  }

  const remembered = async (clientId: string, proxy: ReverseProxy): Promise<Json> => {
    const state: Json = JSON.parse(await readFile(join(stack.folder, 'state', clientId, 'state.json'), 'utf8'))
    return state['servers'][proxy.url]
  }

  /** What passed a limit of 1 MiB, found by halving. */
  const expectCeiling = ({ ceiling }: Json): void => {
    expect(ceiling).toBeLessThanOrEqual(MiB)
    expect(ceiling).toBeGreaterThanOrEqual(MiB / 2)
  }

  const agentBehind = (
    clientId: string,
    proxy: { url: string },
    { env = {}, path = file }: { env?: Record<string, string>; path?: string } = {},
  ) => stack.online(clientId, ['--server', proxy.url, '--file', path], env)

  testWith({ programs: ['nginx'] }, 'large chunks against a proxy’s 1 MB limit: halved, and remembered', async () => {
    const nginx = kept(await startNginx({ upstream: stack.url }))
    const agent = await agentBehind('behind_nginx', nginx)
    await fetchWhole('behind_nginx')
    const first = chunks(await nginx.passed())
    expect(first.some(({ status, length }) => status === 413 && length > MiB)).toBe(true)
    expect(first.filter(({ status }) => status < 300).every(({ length }) => length <= MiB)).toBe(true)
    expectCeiling(await remembered('behind_nginx', nginx))

    await agent.kill('SIGTERM')
    await agentBehind('behind_nginx', nginx)
    await fetchWhole('behind_nginx')
    const second = chunks(await nginx.passed()).slice(first.length)
    expect(second.length).toBeGreaterThanOrEqual(64)
    expect(second.every(({ status, length }) => [200, 204].includes(status) && length <= MiB)).toBe(true)
  })

  testWith({ programs: ['nginx'] }, 'a proxy that refuses even 64 KiB fails the job with proxy-limit', async () => {
    const nginx = kept(await startNginx({ upstream: stack.url, settings: 'client_max_body_size 32k;' }))
    await agentBehind('behind_tiny', nginx)
    const { id } = await stack.ask({ clientId: 'behind_tiny' })
    expect(await stack.reached(id, 'failed')).toMatchObject({ reason: 'proxy-limit' })
    expect(Math.min(...chunks(await nginx.passed()).map(({ length }) => length))).toBe(64 * KiB)
  })

  const hasty: [string, string, () => Promise<ReverseProxy>][] = [
    [
      'nginx',
      'that answers 413 and closes at once',
      () => startNginx({ upstream: stack.url, settings: 'lingering_close off;' }),
    ],
    [
      'haproxy',
      'that answers 413 and closes at once',
      () => startHaproxy({ upstream: stack.url, settings: refuse('deny deny_status 413') }),
    ],
    [
      'haproxy',
      'that closes without an answer',
      () => startHaproxy({ upstream: stack.url, settings: refuse('reject') }),
    ],
  ]
  const refuse = (how: string): string => `http-request ${how} if { req.hdr_val(content-length) gt ${MiB} }`
  for (const [program, what, startHasty] of hasty) {
    testWith({ programs: [program] }, `413 seen as a connection reset: ${program} ${what}`, async () => {
      const proxy = kept(await startHasty())
      const clientId = `hasty_${program}_${what.length}`
      await agentBehind(clientId, proxy)
      await fetchWhole(clientId)
      expectCeiling(await remembered(clientId, proxy))
    })
  }

  testWith({ programs: ['nginx'] }, 'a slow upload is not killed: limits are on idleness, not on length', async () => {
    const limits = 'client_max_body_size 4m; client_body_timeout 2s; send_timeout 2s; proxy_send_timeout 2s;'
    const nginx = kept(await startNginx({ upstream: stack.url, settings: limits }))
    const line = await startProxy(nginx.url)
    kept({ stop: () => line.close() })
    const small = join(stack.folder, 'small.bin')
    const digest = await writeRandom(small, 1.5 * MiB)
    await agentBehind('slow', line, { path: small })
    line.slow(128 * KiB)
    await fetchWhole('slow', digest)
    const longest = Math.max(...chunks(await nginx.passed()).map(({ seconds }) => seconds))
    expect(longest).toBeGreaterThan(2)
  })

  testWith(
    { programs: ['nginx', 'openssl'] },
    'TLS in front: agent and CLI trust the certificate that they are given',
    async () => {
      const nginx = kept(await startNginx({ upstream: stack.url, tls: true }))
      const env = { NODE_EXTRA_CA_CERTS: certificateOf(nginx) }
      await agentBehind('behind_tls', nginx, { env })
      const output = join(stack.folder, 'over-tls.bin')
      const cli = start('cli/main.ts', ['--server', nginx.url, 'download', 'behind_tls', output], env)
      expect([await cli.exited, cli.output()]).toEqual([0, expect.stringContaining('completed')])
      expect(await sha256OfFile(output)).toBe(sha256)
      const untrusting = start('cli/main.ts', ['--server', nginx.url, 'clients'], {})
      expect([await untrusting.exited, untrusting.output()]).toEqual([
        5,
        expect.stringContaining('self-signed certificate'),
      ])
    },
  )

  testWith({ programs: ['haproxy'] }, 'a download arrives whole through haproxy, at both ends of its way', async () => {
    const haproxy = kept(await startHaproxy({ upstream: stack.url, clientTimeout: 5, serverTimeout: 30 }))
    await agentBehind('behind_haproxy', haproxy)
    const output = join(stack.folder, 'over-haproxy.bin')
    const cli = start(
      'cli/main.ts',
      ['--server', haproxy.url, 'fetch', 'behind_haproxy', 'large.bin', '-o', output],
      {},
    )
    expect([await cli.exited, cli.output()]).toEqual([0, expect.stringContaining('verified')])
    expect(await sha256OfFile(output)).toBe(sha256)
  })

  testWith({ programs: ['faketime'] }, 'uploads killed at 5 minutes: one that takes longer goes on', async () => {
    // For this server four seconds are a minute: Node's own limit on a request would pass after twenty of them.
    const hurried = await startStack(fakeClock('+0 x15'))
    kept(hurried)
    const content = randomBytes(120)
    const job = await beginByHand(hurried, content)
    const upload = request(`${hurried.url}/jobs/${job.id}/file`, {
      method: 'PUT',
      headers: {
        ...job.headers,
        attempt: 1,
        'content-range': `bytes 0-${content.length - 1}/${content.length}`,
        'content-digest': formatDigest(sha256Of(content)),
        'content-length': content.length,
      },
    })
    const answered = once(upload, 'response') as Promise<[IncomingMessage]>
    // Three of the server's seconds between two bytes, six of its minutes in all.
    for (const byte of content) {
      upload.write(Buffer.of(byte))
      await delay(200)
    }
    upload.end()
    const [answer] = await answered
    expect(answer.statusCode).toBe(204)
    answer.resume()
  })

  const longer =
    '502 from a balancer that reused a closed connection: the server keeps connections longer than balancers'
  testWith({ long: true }, longer, async () => {
    const balancer = new Agent({ keepAlive: true, maxSockets: 1 })
    const ask = async () => {
      const asking = get(`${stack.url}/health`, { agent: balancer })
      const [answer] = (await once(asking, 'response')) as [IncomingMessage]
      await once(answer.resume(), 'end')
      return { keepAlive: answer.headers['keep-alive'], reused: asking.reusedSocket }
    }
    const { keepAlive } = await ask()
    // nginx keeps an idle connection to a server for 60 s.
    expect(Number(/timeout=(\d+)/.exec(String(keepAlive))?.[1])).toBeGreaterThan(60)
    // Node's own limit would have closed it.
    await delay(7000)
    expect((await ask()).reused).toBe(true)
    balancer.destroy()
  })
})
