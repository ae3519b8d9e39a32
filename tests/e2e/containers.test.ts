import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { startComposeStack, type ComposeStack } from '../helpers/compose-stack.ts'
import { needsOfContainers } from '../helpers/containers.ts'
import { readDashboard } from '../helpers/dashboard-modules.ts'
import { sha256OfFile } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { makeRelease } from '../helpers/release.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MINUTES = 60_000
const MiB = 1024 * 1024
const HUNDRED_MB = 100 * MiB
const BASE = 'docker.io/library/node:24-bookworm-slim'
const sites = ['restaurant-001', 'restaurant-002', 'restaurant-003']
const needs = needsOfContainers()

// Real images and containers, and the guide as its users walk through it.
describe('containers', () => {
  let stack: ComposeStack
  let network: string

  const build = (tag: string, ...more: string[]): Promise<void> => stack.engine.build(stack.folder, '-t', tag, ...more)
  const inspect = async (what: 'image' | 'container', name: string): Promise<Json> =>
    JSON.parse(await stack.engineRun(what, 'inspect', name))[0]
  /** The image's own check, as the engine runs it. */
  const healthy = async (service: string): Promise<boolean> => {
    const id = await stack.container(service)
    if (stack.engine.command === 'docker')
      return (await inspect('container', id))['State']['Health']['Status'] === 'healthy'
    return (await stack.engine.run(['podman', 'healthcheck', 'run', id])).code === 0
  }
  const inside = async (service: string, ...command: string[]): Promise<string> =>
    stack.engineRun('exec', await stack.container(service), ...command)
  const completed = (id: string): Promise<Json> =>
    until(
      'the download to be completed',
      async () => {
        const download = await stack.call(`/downloads/${id}`).catch((): Json => ({}))
        return download['status'] === 'completed' && download
      },
      MINUTES,
    )

  /** Another site, by the image alone, with a line of 120 Mbit/s. */
  const runSlowSite = (id: string): Promise<string> => {
    const place = `run -d --name ${network}-${id} --network ${network} --read-only --tmpfs /tmp --env-file .env`
    const shared = `-v ${stack.folder}/test-files/restaurant-001:/files:ro`
    const variables = `-e ADMIN_TOKEN= -e CLIENT_ID=${id} -e SERVER_URL=http://server:8080 -e LIMIT=120mbit`
    return stack.engineRun(...`${place} ${shared} ${variables} backhaul-agent`.split(' '))
  }

  beforeAll(async () => {
    if (lacking(needs).length > 0) return
    stack = await startComposeStack()
    await stack.run('./setup.sh')
    await makeRelease(join(stack.folder, 'dist'), { keyFile: join(stack.folder, 'release.key') })
    await build('backhaul-agent', '--target', 'agent')
    await build('backhaul-server')
    await stack.compose('up', '-d')
    const server = await inspect('container', await stack.container('server'))
    network = Object.keys(server['NetworkSettings']['Networks'])[0] ?? ''
  }, 15 * MINUTES)
  afterAll(async () => {
    await stack?.engineRun('rm', '-fv', `${network}-restaurant-004`, `${network}-alone`).catch(() => '')
    await stack?.stop()
  }, 2 * MINUTES)

  testWith(needs, 'the images are small, not root, and have a health check', async () => {
    const base = Number((await inspect('image', BASE))['Size'])
    for (const name of ['backhaul-server', 'backhaul-agent']) {
      const image = await inspect('image', name)
      const own = Number(image['Size']) - base
      process.stdout.write(`${name}: ${(own / MiB).toFixed(1)} MiB, and ${(base / MiB).toFixed(1)} MiB of its base\n`)
      expect(own).toBeLessThan(40 * MiB)
      expect(image['Config']).toMatchObject({ User: 'node', StopSignal: 'SIGTERM' })
      expect(JSON.stringify(image)).toContain('deploy/health.js')
    }
  })

  testWith(
    needs,
    'the guide: all sites are there, each file comes over, and has the checksum of its source',
    async () => {
      await until(
        'all sites',
        async () => {
          const { count } = await stack.call('/api/clients').catch((): Json => ({}))
          return count === 3
        },
        MINUTES,
      )
      const { code, output } = await stack.guide('1', '2', '3', '2', '4', '5', '', '6', '7', '8', '3')
      expect([code, output]).toEqual([0, expect.stringContaining('"status":"ready"')])
      for (const site of sites) {
        expect(output).toContain(`"${site}"`)
        expect(output).toMatch(new RegExp(`${site}: completed, file_to_download.txt, 100 %, SHA-256 [0-9a-f]{64}`))
        expect(output).toMatch(new RegExp(`${site}: OK, MD5 [0-9a-f]{32} at both ends`))
      }
      expect(output).not.toContain('Warning')
      // Of the server's logs, and of the client's.
      expect(output).toContain('"msg":"listening"')
      expect(output).toContain('"msg":"session begun"')
    },
    5 * MINUTES,
  )

  testWith(needs, 'the server hands out the release that lies in dist', async () => {
    expect(await stack.run('curl', '-fsS', 'http://localhost:3000/install.sh')).toContain(
      "server='http://localhost:3000'",
    )
    const sums = await stack.run('curl', '-fsS', 'http://localhost:3000/agents/SHA256SUMS')
    expect(sums).toBe((await readFile(join(stack.folder, 'dist/SHA256SUMS'), 'utf8')).trim())
  })

  testWith(
    needs,
    'the server has the dashboard, with every module that it needs, and the page of the API',
    async () => {
      const read = (path: string): Promise<string> => stack.run('curl', '-fsS', `http://localhost:3000${path}`)
      const loaded = await readDashboard(read)
      expect([...loaded.keys()]).toEqual(
        expect.arrayContaining(['/assets/app/main.ts', '/assets/lit-html/lit-html.js']),
      )
      expect(await read('/docs')).toContain('<section id="')
    },
  )

  testWith(needs, 'the guide says what does not work, and ends with 1', async () => {
    expect(await stack.guide('3', '7')).toMatchObject({ code: 1, output: expect.stringContaining('no restaurant 7') })
    expect(await stack.guide('5', 'none')).toMatchObject({ code: 1 })
  })

  testWith(needs, 'nobody is root, the program cannot be changed, and a site has no admin’s token', async () => {
    for (const [service, file] of [
      ['server', 'server/main.ts'],
      ['client-restaurant-001', 'agent/main.ts'],
    ] as const) {
      expect(await inside(service, 'id', '-u')).toBe('1000')
      await expect(inside(service, 'sh', '-c', `echo >> /app/${file}`)).rejects.toThrow(/[Rr]ead-only|denied/)
      expect(await healthy(service)).toBe(true)
    }
    expect(await inside('client-restaurant-001', 'sh', '-c', 'echo "[$ADMIN_TOKEN]"')).toBe('[]')
  })

  testWith(
    needs,
    'the server is restarted in mid-download: it ends with 0, and the file goes on where it was',
    async () => {
      await runSlowSite('restaurant-004')
      await until('the site', async () => (await stack.call('/clients/restaurant-004'))['status'] === 'online', MINUTES)
      const { id } = await stack.call('/downloads', { clientId: 'restaurant-004' })
      await until('a third of it', async () => (await stack.call(`/downloads/${id}`))['bytesReceived'] > HUNDRED_MB / 3)
      const server = await stack.container('server')
      await stack.engineRun('stop', server)
      expect((await inspect('container', server))['State']['ExitCode']).toBe(0)
      await until('the site to be unwell', async () => !(await healthy('client-restaurant-001')), MINUTES)
      await stack.engineRun('start', server)
      const done = await completed(id)
      const sha256 = await sha256OfFile(join(stack.folder, 'test-files', 'restaurant-001', 'file_to_download.txt'))
      expect(done).toMatchObject({ sha256, verified: true, attempt: 1 })
      expect(done['bytesResent']).toBeLessThan(HUNDRED_MB / 3)
      await until('the site to be well', () => healthy('client-restaurant-001'), MINUTES)
    },
    5 * MINUTES,
  )

  testWith(needs, 'a container alone, with the port that the platform picks', async () => {
    const name = `${network}-alone`
    await build('remotefetch-server')
    for (const [port, ...options] of [['8080'], ['9090', '-e', 'PORT=9090']] as const) {
      await stack.engineRun(
        'run',
        '-d',
        '--name',
        name,
        '--read-only',
        '-p',
        `${port}:${port}`,
        ...options,
        'remotefetch-server',
      )
      const health = (): Promise<string> => stack.run('curl', '-sS', `http://localhost:${port}/health`).catch(() => '')
      expect(await until('an answer', health)).toContain('"status":"ok"')
      // Bound to every address, it lets nobody in without a token.
      expect(await stack.run('curl', '-sS', `http://localhost:${port}/clients`)).toContain('unauthenticated')
      await stack.engineRun('rm', '-fv', name)
    }
  })

  testWith(needs, 'no token was in the arguments of a program', async () => {
    const env = await readFile(join(stack.folder, '.env'), 'utf8')
    const secrets = env.match(/bh[oe]_[\w-]{43}/g) ?? []
    expect(secrets).toHaveLength(2)
    const seen = await stack.seen()
    expect(seen).toContain('/api/download')
    for (const secret of secrets) expect(seen).not.toContain(secret)
  })

  testWith(
    needs,
    'the guide cleans up when it is told yes, and not before',
    async () => {
      await stack.guide('9', 'n')
      expect(await stack.container('server')).not.toBe('')
      await stack.engineRun('rm', '-fv', `${network}-restaurant-004`)
      expect(await stack.guide('9', 'y')).toMatchObject({ code: 0, output: expect.stringContaining('Gone') })
      expect(await stack.container('server')).toBe('')
      expect(await stack.engineRun('volume', 'ls', '-q')).not.toContain(network.replace(/_default$/, ''))
    },
    2 * MINUTES,
  )
})
