import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { fakeClock } from '../helpers/faketime.ts'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startProxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const needs = { programs: ['faketime'] }
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('a wrong clock', () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  for (const years of ['-20y', '+20y']) {
    const name = `a machine that boots with a wrong clock is locked out for ever: with ${years} it registers and transfers`
    testWith(needs, name, async () => {
      const file = join(stack.folder, `wrong${years}.bin`)
      const sha256 = await writeRandom(file, 5 * MiB)
      const id = `wrong${years.slice(1)}${years.startsWith('-') ? 'past' : 'future'}`
      const agent = await stack.online(id, ['--file', file], fakeClock(years, { monotonicToo: false }))
      const { time } = (await agent.line((line) => line['msg'] === 'connected')) as { time: string }
      expect(Math.abs(Date.parse(time) - Date.now()) / (365 * 24 * 3600_000)).toBeGreaterThan(19)
      const { id: download } = await stack.ask({ clientId: id })
      expect(await stack.reached(download, 'completed')).toMatchObject({ sha256, verified: true })
      await agent.kill('SIGKILL')
    })
  }
})

/** Both ends live ten times as fast: what takes a minute of theirs takes 6 s of ours. */
describe('limits on time, with clocks ten times as fast', () => {
  const FAST = '+0 x10'

  const onFastClocks = async (work: (stack: Stack, env: Record<string, string>) => Promise<void>): Promise<void> => {
    const env = fakeClock(FAST)
    const stack = await startStack(env)
    try {
      await work(stack, env)
    } finally {
      await stack.stop()
    }
  }

  /** A download under way over a proxy, held in the middle. */
  const held = async (stack: Stack, env: Record<string, string>) => {
    const proxy = await startProxy(stack.url)
    const file = join(stack.folder, 'held.bin')
    const sha256 = await writeRandom(file, 24 * MiB)
    const agent = await stack.online('held', ['--file', file, '--chunk-size', '1MiB', '--server', proxy.url], env)
    proxy.allow(8 * MiB)
    const { id } = await stack.ask({ clientId: 'held' })
    await proxy.held()
    return { proxy, agent, sha256, id: String(id) }
  }
  const offline = (stack: Stack) =>
    until('it to be offline', async () => (await stack.get('/clients/held'))['status'] === 'offline')

  testWith(needs, 'an agent hung for ever on a connection that looked alive: it gives up and goes on', () =>
    onFastClocks(async (stack, env) => {
      const { proxy, sha256, id } = await held(stack, env)
      // From now on nothing passes on any connection that is open, not even its end.
      proxy.forget()
      proxy.allow(Infinity)
      const begunAt = performance.now()
      expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
      expect(performance.now() - begunAt).toBeLessThan(12_000)
      // Polls were forgotten, too: the next download arrives all the same.
      const next = await stack.ask({ clientId: 'held' })
      expect(await stack.reached(next['id'], 'completed')).toMatchObject({ sha256 })
      await proxy.close()
    }),
  )

  testWith(needs, 'an agent stopped past every limit goes on where it was', () =>
    onFastClocks(async (stack, env) => {
      const { proxy, agent, sha256, id } = await held(stack, env)
      process.kill(agent.pid, 'SIGSTOP')
      proxy.allow(Infinity)
      // 75 s without a sign of life; a body may stand still for 60 s.
      await offline(stack)
      process.kill(agent.pid, 'SIGCONT')
      expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
      await proxy.close()
    }),
  )

  testWith(needs, 'a server stopped for longer than any agent waits goes on where it was', () =>
    onFastClocks(async (stack, env) => {
      const { proxy, agent, sha256, id } = await held(stack, env)
      process.kill(stack.server.pid, 'SIGSTOP')
      proxy.allow(Infinity)
      await agent.line((line) => Number(line['level']) >= 40 && /cannot ask the server/.test(String(line['msg'])))
      process.kill(stack.server.pid, 'SIGCONT')
      expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
      await proxy.close()
    }),
  )
})

describe('an outage, with clocks a hundred times as fast', () => {
  const name = 'after a quarter of an hour without the server the agent is there soon after the link is back'
  testWith(needs, name, async () => {
    const env = fakeClock('+0 x100')
    const stack = await startStack(env)
    const proxy = await startProxy(stack.url)
    try {
      const status = async (): Promise<string> => (await stack.get('/clients/cut_off'))['status']
      const agent = await stack.online('cut_off', ['--server', proxy.url], env)
      proxy.refuse()
      await until('it to be offline', async () => (await status()) === 'offline')
      // A quarter of an hour of theirs: a doubled pause would be minutes long by now.
      await pause(9000)
      proxy.welcome()
      // One minute is 600 ms; the rest is for a busy machine.
      await until('it to be online', async () => (await status()) === 'online', 5000)
      expect(agent.child.exitCode).toBeNull()
    } finally {
      await proxy.close()
      await stack.stop()
    }
  })
})
