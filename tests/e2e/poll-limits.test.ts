import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import type { Running } from '../helpers/process.ts'
import { startHaproxy, startNginx, type ReverseProxy } from '../helpers/reverse-proxies.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

/** Seconds after which the proxies give up on a poll, which would be held for 25 s. */
const LIMIT = 6

interface Site {
  proxy: ReverseProxy
  agent: Running
}

// What is learned here takes as long as the limits that it is about: the sites learn beside each other.
describe('polls through proxies that do not wait', () => {
  let stack: Stack
  let file: string
  const sites = new Map<string, Promise<Site>>()

  const cases: { name: string; program: string; start: (upstream: string) => Promise<ReverseProxy> }[] = [
    {
      name: 'nginx answers 504',
      program: 'nginx',
      start: (upstream) => startNginx({ upstream, settings: `proxy_read_timeout ${LIMIT}s;` }),
    },
    {
      name: 'haproxy answers 504',
      program: 'haproxy',
      start: (upstream) => startHaproxy({ upstream, serverTimeout: LIMIT }),
    },
    {
      name: 'haproxy closes without an answer',
      program: 'haproxy',
      start: (upstream) => startHaproxy({ upstream, serverTimeout: LIMIT, settings: 'errorfile 504 /dev/null' }),
    },
  ]

  const idOf = (name: string): string => name.replaceAll(' ', '_')

  const online = (name: string, proxy: ReverseProxy): Promise<Running> =>
    stack.online(idOf(name), ['--server', proxy.url, '--file', file])

  const startSite = async ({ name, start }: (typeof cases)[number]): Promise<Site> => {
    const proxy = await start(stack.url)
    return { proxy, agent: await online(name, proxy) }
  }

  beforeAll(async () => {
    stack = await startStack()
    file = join(stack.folder, 'small.bin')
    await writeRandom(file, 100_000)
    for (const each of cases) {
      const site = startSite(each)
      // Without its program the test is left out, and nobody asks.
      site.catch(() => undefined)
      sites.set(each.name, site)
    }
  })
  afterAll(async () => {
    await stack.stop()
    for (const site of await Promise.allSettled(sites.values())) {
      if (site.status === 'fulfilled') await site.value.proxy.stop()
    }
  })

  const rememberedWait = async (name: string, proxy: ReverseProxy): Promise<number | undefined> => {
    const path = join(stack.folder, 'state', idOf(name), 'state.json')
    const state: Json = JSON.parse(await readFile(path, 'utf8').catch(() => '{}'))
    return state['servers']?.[proxy.url]?.wait
  }

  for (const { name, program } of cases) {
    testWith({ programs: [program] }, `${name}: the agent polls for less long, and remembers it`, async () => {
      const { proxy, agent } = (await sites.get(name)) as Site
      const wait = await until('the wait to be learned', () => rememberedWait(name, proxy))
      expect(wait).toBeLessThan(LIMIT)

      await agent.kill('SIGTERM')
      const before = (await proxy.passed()).length
      await online(name, proxy)
      const { id } = await stack.ask({ clientId: idOf(name) })
      const done = await stack.reached(id, 'completed')
      expect(Date.parse(done['startedAt']) - Date.parse(done['createdAt'])).toBeLessThan(1000)
      // The second is the one that was held, and heard of the download.
      const polls = await until('two polls', async () => {
        // The last poll of the agent that was stopped is told that it is superseded.
        const ours = ({ path, status }: { path: string; status: number }) => path === '/jobs' && status !== 409
        const since = (await proxy.passed()).slice(before).filter(ours)
        return since.length > 1 && since
      })
      expect(polls.map(({ status, wait: asked }) => [status, asked])).toEqual(polls.map(() => [200, Math.round(wait)]))
    })
  }
})
