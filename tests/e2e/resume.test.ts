import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import type { Running } from '../helpers/process.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const KiB = 1024
const SIZE = 12_000 * KiB + 7
const CHUNK = 256 * KiB
/** What may travel twice per fault: connections × bytes of a chunk. */
const IN_FLIGHT = 4 * CHUNK
/** Headers of the chunks, polls and everything else, in bytes. */
const OVERHEAD = (SIZE / CHUNK) * 1024 + 100 * KiB

interface Site {
  id: string
  args: string[]
  agent: Running
  proxy: Proxy
}

type Fault = (site: Site) => Promise<void>

// No acknowledged byte travels again, whatever breaks: the proxy between the two counts, and the server's record does.
describe('no acknowledged byte travels again', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const again = (site: Site): void => void (site.agent = stack.agent(site.id, site.args))

  /** A download in whose middle the fault comes. */
  const survive = async (what: string, fault: Fault): Promise<void> => {
    const id = what.replaceAll(' ', '_')
    const file = join(stack.folder, id)
    const sha256 = await writeRandom(file, SIZE)
    const proxy = await startProxy(stack.url)
    const args = ['--file', file, '--server', proxy.url, '--chunk-size', '256KiB']
    const site: Site = { id, args, proxy, agent: await stack.online(id, args) }
    proxy.allow(5 * 1024 * KiB)
    const { id: download } = await stack.ask({ clientId: id })
    await proxy.held()
    const received = async (): Promise<number> => (await stack.get(`/downloads/${download}`))['bytesReceived']
    await until('durable bytes', async () => (await received()) > 2 * 1024 * KiB)

    await fault(site)
    proxy.allow(Infinity)
    const done = await stack.reached(download, 'completed')
    expect(done).toMatchObject({ sha256, verified: true, attempt: 1, size: SIZE })
    expect(done['bytesResent']).toBeLessThanOrEqual(IN_FLIGHT)
    expect(proxy.sent() - SIZE).toBeLessThanOrEqual(IN_FLIGHT + OVERHEAD)
    await site.agent.kill('SIGTERM')
    await proxy.close()
  }

  const ends: [what: string, fault: Fault][] = [
    ['the agent is killed', (site) => site.agent.kill('SIGKILL').then(() => again(site))],
    ['the agent is stopped', (site) => site.agent.kill('SIGTERM').then(() => again(site))],
    ['the server is killed', () => stack.restart('SIGKILL')],
    ['the server is stopped', () => stack.restart('SIGTERM')],
    [
      'both are killed',
      async (site) => {
        await Promise.all([site.agent.kill('SIGKILL'), stack.server.kill('SIGKILL')])
        again(site)
        await stack.restart()
      },
    ],
  ]
  test.each(ends)('%s', survive)

  const line: [what: string, fault: Fault][] = [
    ['every connection is reset', async ({ proxy }) => proxy.cut()],
    ['the router forgets its connections', async ({ proxy }) => proxy.forget()],
    [
      'the line is dead for 12 s',
      async ({ proxy }) => {
        proxy.silence()
        await delay(12_000)
        proxy.mend()
      },
    ],
    [
      'the server cannot be reached for 8 s',
      async ({ proxy }) => {
        proxy.refuse()
        await delay(8_000)
        proxy.welcome()
      },
    ],
  ]

  describe('on the line', () => {
    const runs = new Map<string, Promise<unknown>>()

    // Each has a line of its own, so they wait beside each other.
    beforeAll(() => {
      for (const [what, fault] of line)
        runs.set(
          what,
          survive(what, fault).catch((error: unknown) => error),
        )
    })
    test.each(line)('%s', async (what) => {
      expect(await runs.get(what)).toBeUndefined()
    })
  })
})
