import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { startSquid, startTinyproxy, type Login } from '../helpers/forward-proxies.ts'
import { testWith } from '../helpers/needs.ts'
import { start, type Running } from '../helpers/process.ts'
import type { Program } from '../helpers/programs.ts'
import { certificateOf, startNginx, type ReverseProxy } from '../helpers/reverse-proxies.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const login: Login = { user: 'till', password: 'open-sesame_42' }
const secrets = [login.password, Buffer.from(`${login.user}:${login.password}`).toString('base64')]

// For the own machine no proxy is asked: the server is behind an nginx on another of its addresses.
const ELSEWHERE = '127.0.0.2'

type Scheme = 'http' | 'https'
type Env = Record<string, string>

describe('forward proxies', () => {
  let stack: Stack
  let file: string
  let sha256: string
  const fronts = new Map<Scheme, Promise<ReverseProxy>>()
  const proxies: Program[] = []

  const frontOf = async (scheme: Scheme): Promise<ReverseProxy> => {
    const started = fronts.get(scheme) ?? startNginx({ upstream: stack.url, tls: scheme === 'https', host: ELSEWHERE })
    fronts.set(scheme, started)
    return await started
  }

  beforeAll(async () => {
    // By way of a proxy others than this machine come in: then the server wants tokens.
    stack = await startStack({ TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN })
    file = join(stack.folder, 'three.bin')
    sha256 = await writeRandom(file, 3 * 1024 * 1024)
  })
  afterEach(async () => {
    await Promise.all(proxies.splice(0).map((proxy) => proxy.stop()))
  })
  afterAll(async () => {
    await stack.stop()
    await Promise.all([...fronts.values()].map(async (front) => (await front).stop()))
  })

  const started = async (program: Promise<Program>): Promise<Program> => {
    const proxy = await program
    proxies.push(proxy)
    return proxy
  }

  /** What a site sets to get out through `proxy`. */
  const wayThrough = async (scheme: Scheme, proxy: Program, known?: Login): Promise<Env> => {
    const user = known ? `${known.user}:${known.password}@` : ''
    return {
      [`${scheme}_proxy`.toUpperCase()]: `http://${user}${proxy.address}`,
      ...(scheme === 'https' ? { NODE_EXTRA_CA_CERTS: certificateOf(await frontOf(scheme)) } : {}),
    }
  }

  const agentThrough = async (scheme: Scheme, clientId: string, env: Env): Promise<Running> => {
    const { url } = await frontOf(scheme)
    return stack.agent(clientId, ['--server', url, '--file', file, '--port', '0'], env)
  }

  const fetchWith = async (scheme: Scheme, clientId: string, env: Env): Promise<Running> => {
    const { url } = await frontOf(scheme)
    const output = join(stack.folder, `${clientId}.bin`)
    const cli = start('cli/main.ts', ['--server', url, 'download', clientId, output], {
      ...env,
      BACKHAUL_TOKEN: ADMIN,
    })
    expect([await cli.exited, cli.output()]).toEqual([0, expect.stringContaining('verified')])
    expect(await sha256OfFile(output)).toBe(sha256)
    return cli
  }

  const statusOf = async (agent: Running): Promise<string> => {
    const { port } = await agent.line(({ msg }) => String(msg).startsWith('status on'))
    return await (await fetch(`http://127.0.0.1:${String(port)}/status`)).text()
  }

  const expectNoSecret = (...texts: string[]): void => {
    for (const text of texts) for (const secret of secrets) expect(text).not.toContain(secret)
  }

  const programs: [string, (known?: Login) => Promise<Program>][] = [
    ['tinyproxy', startTinyproxy],
    ['squid', startSquid],
  ]
  for (const [program, startProgram] of programs) {
    const needs = { programs: [program, 'nginx', 'openssl'] }
    for (const scheme of ['http', 'https'] as const) {
      for (const known of [undefined, login]) {
        const way = `${scheme} through ${program}${known ? ' with a password' : ''}`
        testWith(needs, `agent and CLI: ${way}`, async () => {
          const proxy = await started(startProgram(known))
          const env = await wayThrough(scheme, proxy, known)
          const clientId = `${program}_${scheme}${known ? '_known' : ''}`
          const agent = await agentThrough(scheme, clientId, env)
          await agent.line(({ msg }) => msg === 'session begun')
          const cli = await fetchWith(scheme, clientId, env)
          const verb = scheme === 'https' ? 'CONNECT' : 'PUT'
          const logged = new RegExp(`${verb} .*${ELSEWHERE}`)
          await until('the proxy to have logged it', async () => logged.test(await proxy.log()))
          expectNoSecret(agent.output(), cli.output(), await statusOf(agent))
        })
      }

      testWith(
        needs,
        `${scheme} through ${program} that wants a password: said in one line, and tried again`,
        async () => {
          const proxy = await started(startProgram(login))
          const variable = `${scheme.toUpperCase()}_PROXY`
          const none = await agentThrough(scheme, `none_${program}_${scheme}`, await wayThrough(scheme, proxy))
          const refused = (text: RegExp) => (line: Record<string, unknown>) =>
            text.test(String(line['msg'])) && Number(line['againInMs']) >= 60_000
          const asked = 'asks for a user and password; set them in'
          await none.line(refused(new RegExp(`the proxy http://${proxy.address} ${asked} ${variable} `)))

          const env = await wayThrough(scheme, proxy, { user: login.user, password: `${login.password}!` })
          const agent = await agentThrough(scheme, `wrong_${program}_${scheme}`, env)
          const text = new RegExp(
            `the proxy http://${proxy.address}.* does not accept the user and password in ${variable}`,
          )
          await agent.line(refused(text))
          const cli = start('cli/main.ts', ['--server', (await frontOf(scheme)).url, 'clients'], env)
          expect([await cli.exited, cli.output()]).toEqual([5, expect.stringMatching(text)])
          expectNoSecret(agent.output(), cli.output(), await statusOf(agent))
          expect([none.child.exitCode, agent.child.exitCode]).toEqual([null, null])
        },
      )
    }
  }

  test('a proxy that cannot be one is a mistake told at start, without its password', async () => {
    const env = { HTTP_PROXY: `http://till:${login.password}/x@proxy.example:1` }
    const agent = stack.agent('mistaken', [], env)
    const cli = start('cli/main.ts', ['clients'], env)
    for (const process of [agent, cli]) {
      expect(await process.exited).toBe(2)
      expect(process.output()).toContain('HTTP_PROXY must read http://HOST:PORT')
      expectNoSecret(process.output())
    }
  })

  testWith({ programs: ['tinyproxy', 'nginx'] }, 'NO_PROXY: what it names is asked without the proxy', async () => {
    const proxy = await started(startTinyproxy())
    const env = { ...(await wayThrough('http', proxy)), NO_PROXY: `example.com, ${ELSEWHERE}` }
    const agent = await agentThrough('http', 'exempt', env)
    await agent.line(({ msg }) => msg === 'session begun')
    await fetchWith('http', 'exempt', env)
    expect(await proxy.log()).not.toContain(ELSEWHERE)
  })

  testWith(
    { programs: ['squid', 'nginx', 'openssl'] },
    'an agent hung for ever on a connection that looked alive: a proxy that stands still',
    async () => {
      const proxy = await started(startSquid())
      proxy.signal('SIGSTOP')
      const agent = await agentThrough('https', 'patient', await wayThrough('https', proxy))
      await agent.line(({ msg }) => String(msg).includes('establish proxy tunnel timed out'))
      proxy.signal('SIGCONT')
      await until('the agent to be online', async () => (await stack.get('/clients/patient'))['status'] === 'online')
    },
  )
})
