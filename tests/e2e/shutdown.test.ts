import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand, halfPut } from '../helpers/by-hand.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { holdPolls } from '../helpers/poll-crowd.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'
import { testWith } from '../helpers/needs.ts'

const MiB = 1024 * 1024
/** What a stop may take: 5 s for what runs, 2 s to tidy up, and a busy machine. */
const STOP_WITHIN = 10_000

describe('stopping', () => {
  let stack: Stack
  let proxy: Proxy

  beforeAll(async () => {
    stack = await startStack()
    proxy = await startProxy(stack.url)
  })
  afterAll(async () => {
    await proxy.close()
    await stack.stop()
  })

  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const begunAt = performance.now()
    await work()
    return performance.now() - begunAt
  }

  /** An agent behind the proxy, held in mid-upload. */
  const held = async (id: string) => {
    const file = join(stack.folder, `${id}.bin`)
    const sha256 = await writeRandom(file, 24 * MiB)
    const args = ['--file', file, '--chunk-size', '1MiB', '--server', proxy.url]
    const agent = await stack.online(id, args)
    proxy.allow(8 * MiB)
    const { id: download } = await stack.ask({ clientId: id })
    await proxy.held()
    const bytes = async (): Promise<number> => (await stack.get(`/downloads/${download}`))['bytesReceived']
    await until('some bytes to be durable', async () => (await bytes()) > 0)
    return { sha256, agent, args, download: String(download), bytes }
  }

  testWith(
    { long: true },
    'a server with an upload that stands still stops within its bound, and the upload goes on afterwards',
    async () => {
      const content = randomBytes(300_000)
      const job = await beginByHand(stack, content)
      await job.put(0, 100_000)
      const still = await halfPut(stack, job, [100_000, 200_000], 300_000)
      expect(await timed(() => stack.server.kill('SIGTERM'))).toBeLessThan(STOP_WITHIN)
      expect(stack.server.child.exitCode).toBe(0)
      still.socket.destroy()
      await stack.restart()
      expect(await job.begin(job.id, 300_000)).toMatchObject({
        body: { attempt: 1, received: [{ start: 0, end: 100_000 }] },
      })
      await job.put(100_000, 300_000)
      expect((await job.complete(job.id, 1, 300_000, sha256Of(content))).status).toBe(200)
    },
  )

  test('a chunk that can end within the bound is finished, and acknowledged', async () => {
    const content = randomBytes(300_000)
    const job = await beginByHand(stack, content)
    const under = await halfPut(stack, job, [0, 300_000], 300_000, content)
    const stopped = stack.server.kill('SIGTERM')
    await stack.server.line((line) => line['msg'] === 'stopping')
    under.finish()
    await under.answered(204)
    await stopped
    await stack.restart()
    expect(await stack.get(`/jobs/${job.id}`)).toMatchObject({ received: [{ start: 0, end: 300_000 }] })
  })

  test('an agent stops in mid-upload within two seconds, and the next one goes on', async () => {
    const { sha256, agent, args, download, bytes } = await held('stopped')
    const before = await bytes()
    expect(await timed(() => agent.kill('SIGTERM'))).toBeLessThan(3000)
    expect(agent.child.exitCode).toBe(0)
    expect(await bytes()).toBeGreaterThanOrEqual(before)
    proxy.allow(Infinity)
    stack.agent('stopped', args)
    expect(await stack.reached(download, 'completed')).toMatchObject({ sha256, attempt: 1, verified: true })
  })

  test('a second signal ends both ends at once', async () => {
    const { sha256, agent, args, download } = await held('hurried')
    const twice = async ({ pid, kill, line }: typeof agent, said: RegExp): Promise<number> => {
      process.kill(pid, 'SIGTERM')
      await line(({ msg }) => said.test(String(msg)))
      return timed(() => kill('SIGTERM'))
    }
    expect(await twice(stack.server, /^stopping/)).toBeLessThan(1000)
    expect(stack.server.child.exitCode).toBe(130)
    expect(await twice(agent, /SIGTERM: stopping/)).toBeLessThan(1000)
    proxy.allow(Infinity)
    await stack.restart()
    stack.agent('hurried', args)
    expect(await stack.reached(download, 'completed')).toMatchObject({ sha256, attempt: 1, verified: true })
  })
})

describe('a crowd', () => {
  /** Descriptors beside the polls: databases, logs, the test's own. */
  const OTHERS = 500
  const WANTED = process.env['BACKHAUL_TESTS'] === 'all' ? 10_000 : 1_000
  const limit = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  const count = limit === 'unlimited' ? WANTED : Math.min(WANTED, Number(limit) - OTHERS)
  const lowered = count < WANTED ? `, for ulimit -n is ${limit}` : ''

  test(`thousands of agents return at once after a server restart: ${count} are told to scatter${lowered}`, async () => {
    const stack = await startStack()
    try {
      const { ends } = await holdPolls({
        url: stack.url,
        count,
        headers: (number) => [`GET /jobs?client=agent-${number} HTTP/1.1`],
      })
      await until('every poll to be held', async () => (await openPolls(stack)) === count, 100_000)
      const begunAt = performance.now()
      await stack.server.kill('SIGTERM')
      // One process holds the other ends of all of them, on the same machine.
      expect(performance.now() - begunAt).toBeLessThan(2 * STOP_WITHIN)
      const waits = new Map<number, number>()
      for (const { status, retryAfter } of await ends) {
        expect(status).toBe(503)
        waits.set(retryAfter ?? -1, (waits.get(retryAfter ?? -1) ?? 0) + 1)
      }
      // 200 in a second, more or less, for as long as it takes.
      const seconds = Math.ceil(count / 200) + 1
      expect(Math.min(...waits.keys())).toBeGreaterThanOrEqual(0)
      expect(Math.max(...waits.keys())).toBeLessThanOrEqual(seconds)
      expect(Math.max(...waits.values())).toBeLessThan(300)
    } finally {
      await stack.stop()
    }
  }, 180_000)
})
