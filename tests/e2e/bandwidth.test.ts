import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import type { Running } from '../helpers/process.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const KiB = 1024
const MiB = 1024 * KiB
const MINUTES = 60_000
/** Bytes per second of 1 Mbit/s. */
const MBIT = 125_000
const WARN = 40

let stack: Stack
let proxy: Proxy
let root: string

beforeEach(async () => {
  stack = await startStack()
  proxy = await startProxy(stack.url)
  root = join(stack.folder, 'shared')
  await mkdir(root)
})
afterEach(async () => {
  await stack.stop()
  await proxy.close()
})

const startAgent = (...args: string[]): Promise<Running> =>
  stack.online('site', ['--root', root, '--server', proxy.url, '--port', '0', ...args])

const ask = async (path: string): Promise<string> => (await stack.ask({ clientId: 'site', path }))['id']

const sentMore = (bytes: number): Promise<true | undefined> => {
  const before = proxy.sent()
  return until(`${bytes} bytes more`, async () => proxy.sent() >= before + bytes || undefined, 5 * MINUTES)
}

const setLimit = async (file: string, text: string): Promise<void> => {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

const nowIs = (agent: Running, limit: string) => agent.line(({ msg }) => msg === `limit is now ${limit}`)

const statusOf = async (agent: Running): Promise<Json> => {
  const { port } = await agent.line(({ msg }) => String(msg).startsWith('status on'))
  const answer = await fetch(`http://127.0.0.1:${String(port)}/status`)
  return (await answer.json()) as Json
}

/** What the agent took for trouble. */
const warnings = (agent: Running): unknown[] =>
  agent
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Json)
    .filter(({ level }) => level >= WARN)

describe('a bandwidth limit', () => {
  test('is one for all jobs, which get on together', async () => {
    const digests = await Promise.all(['a', 'b'].map((name) => writeRandom(join(root, name), MiB)))
    const agent = await startAgent('--limit', '8mbit', '--chunk-size', '32KiB')
    expect((await statusOf(agent))['limit']).toEqual({
      inForce: '8 Mbit/s',
      bytesPerSecond: 8 * MBIT,
      until: null,
      line: null,
      mistake: null,
    })
    const ids = await Promise.all(['a', 'b'].map(ask))
    await sentMore(1)
    const startedAt = performance.now()
    await Promise.race(ids.map((id) => stack.reached(id, 'completed')))
    const received = await Promise.all(ids.map(async (id) => (await stack.get(`/downloads/${id}`))['bytesReceived']))
    expect(Math.min(...received)).toBeGreaterThanOrEqual(MiB / 2)
    const done = await Promise.all(ids.map((id) => stack.reached(id, 'completed')))
    expect(done.map(({ sha256 }) => sha256)).toEqual(digests)
    // Never faster, but for a moment at the start; how much slower is the machine's affair.
    const seconds = (performance.now() - startedAt) / 1000
    expect(2 * MiB).toBeLessThan((seconds + 0.2) * 8 * MBIT)
    expect(warnings(agent)).toEqual([])
  })

  test('is changed while chunks are under way, as low as it goes, off and on again, and nothing counts as trouble', async () => {
    const limitFile = join(stack.folder, 'limit')
    const sha256 = await writeRandom(join(root, 'big'), 6 * MiB)
    const agent = await startAgent('--limit-file', limitFile, '--limit', '40mbit')
    const id = await ask('big')
    await sentMore(MiB / 2)
    await setLimit(limitFile, '8kbit')
    await nowIs(agent, '8 kbit/s')
    await setLimit(limitFile, '16mbit')
    await nowIs(agent, '16 Mbit/s')
    await sentMore(MiB / 4)
    await setLimit(limitFile, 'off')
    await nowIs(agent, 'off')
    expect(await statusOf(agent)).toMatchObject({ connected: true, limit: { inForce: 'off', bytesPerSecond: 0 } })
    // Polls go on: jobs are heard of, and that one is no longer wanted.
    const unwanted = await ask('big')
    await agent.line((line) => line['msg'] === 'job started' && line['id'] === unwanted)
    const quietFrom = proxy.sent()
    await fetch(`${stack.url}/downloads/${unwanted}`, { method: 'DELETE' })
    await agent.line((line) => String(line['msg']).startsWith('job stopped') && line['id'] === unwanted)
    expect(proxy.sent() - quietFrom).toBeLessThan(4 * KiB)
    await setLimit(limitFile, 'unlimited')
    expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true, attempt: 1 })
    expect(warnings(agent)).toEqual([])
  })

  testWith(
    { long: true },
    'of 2 Mbit/s is kept',
    async () => {
      await writeRandom(join(root, 'big'), 8 * MiB)
      const agent = await startAgent('--limit', '2mbit')
      await ask('big')
      await sentMore(MiB / 2)
      const startedAt = performance.now()
      const from = proxy.sent()
      await sentMore(5 * MiB)
      const rate = ((proxy.sent() - from) / (performance.now() - startedAt)) * 1000
      expect(rate / (2 * MBIT)).toBeGreaterThan(0.9)
      expect(rate / (2 * MBIT)).toBeLessThan(1.05)
      expect(warnings(agent)).toEqual([])
    },
    2 * MINUTES,
  )

  testWith(
    { long: true },
    'of 8 kbit/s carries what takes minutes, and is taken for no dead line',
    async () => {
      const sha256 = await writeRandom(join(root, 'small'), 128 * KiB)
      const agent = await startAgent('--limit', '8kbit')
      const id = await ask('small')
      expect(await stack.ended(id, 5 * MINUTES)).toMatchObject({ status: 'completed', sha256, bytesResent: 0 })
      expect(warnings(agent)).toEqual([])
    },
    6 * MINUTES,
  )

  testWith(
    { long: true },
    'that is a share: what the line gives is learned from the line alone',
    async () => {
      await writeRandom(join(root, 'big'), 128 * MiB)
      const agent = await startAgent('--limit', '25%')
      proxy.slow(16 * MBIT)
      await ask('big')
      const learned = async (): Promise<number> => (await statusOf(agent))['limit']['line'] ?? 0
      await until('the line to be known', async () => Math.abs((await learned()) / (16 * MBIT) - 1) < 0.25, 2 * MINUTES)
      expect((await statusOf(agent))['limit']['bytesPerSecond'] / (await learned())).toBeCloseTo(0.25)
      expect(warnings(agent)).toEqual([])
    },
    3 * MINUTES,
  )
})
