import { join } from 'node:path'
import { afterEach, describe, expect } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { start, type Running } from '../helpers/process.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'
import { startWan, wanScript, type Wan } from '../helpers/wan.ts'

const MiB = 1024 * 1024
const MINUTES = 60_000
/** Connections × bytes of a chunk. */
const IN_FLIGHT = 4 * 4 * MiB
const needs = {
  root: true,
  long: true,
  programs: ['ip', 'nft', 'gcc', 'conntrack'],
  path: wanScript,
  probe: 'unshare --net true',
}

// A real link between network namespaces: TCP's own back-off, lost packets, a router with a memory.
describe('a site behind NAT', () => {
  let wan: Wan
  let stack: Stack
  let agent: Running

  /** A download of `size` bytes that is under way over a link. */
  const underWay = async (size: number, link: [rateMbit: number, rttMs: number, lossPercent: number]) => {
    wan = await startWan(...link)
    stack = await startStack({ HOST: '0.0.0.0', ADMIN_TOKEN: ADMIN }, { within: wan.cloud, host: wan.testHost })
    const file = join(stack.folder, 'video.mp4')
    const sha256 = await writeRandom(file, size)
    const server = `http://${wan.cloudHost}:${new URL(stack.url).port}`
    const args = [
      '--id',
      'site',
      '--server',
      server,
      '--file',
      file,
      '--port',
      'off',
      '--state-dir',
      join(stack.folder, 's'),
    ]
    agent = start('agent/main.ts', args, stack.agentEnv, wan.site)
    await until('the site to be known', async () => (await stack.get('/clients/site'))['status'] === 'online')
    const { id } = await stack.ask({ clientId: 'site' })
    const received = async (): Promise<number> => (await stack.get(`/downloads/${id}`))['bytesReceived']
    const grown = async (): Promise<void> => {
      const before = await received()
      await until('more bytes', async () => (await received()) > before, 2 * MINUTES)
    }
    await grown()
    return { id: String(id), sha256, received, grown }
  }

  afterEach(async () => {
    await agent?.kill('SIGKILL')
    await stack?.stop()
    await wan?.down()
  })

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  /** Seconds until so many bytes have come over the link that it is the file that flows. */
  const flowingAfter = async (): Promise<number> => {
    const [begunAt, before] = [performance.now(), await wan.arrived()]
    await until('the file to flow', async () => (await wan.arrived()) > before + 256 * 1024)
    return (performance.now() - begunAt) / 1000
  }

  const complete = async ({ id, sha256 }: { id: string; sha256: string }, mostTwice: number): Promise<void> => {
    const done = await stack.ended(id, 5 * MINUTES)
    expect(done).toMatchObject({ status: 'completed', sha256, verified: true, attempt: 1 })
    expect(done['bytesResent']).toBeLessThanOrEqual(mostTwice)
  }

  // Around TCP's own back-off (which doubles up to two minutes), and past every limit.
  for (const seconds of [13, 28, 90]) {
    testWith(
      needs,
      `a link that is cut for ${seconds} s: the file flows again within 5 s of its mending, and at most what was in flight is sent twice`,
      async () => {
        const download = await underWay(60 * MiB, [20, 60, 0])
        await wan.cut()
        await pause(seconds * 1000)
        const before = await download.received()
        await wan.mend()
        const flowing = await flowingAfter()
        process.stdout.write(`cut for ${seconds} s: flows ${flowing.toFixed(1)} s after the mending\n`)
        expect(flowing).toBeLessThan(5)
        expect(before).toBeLessThan(60 * MiB)
        await complete(download, IN_FLIGHT)
      },
      5 * MINUTES,
    )
  }

  testWith(
    needs,
    'a router that forgets its connections in mid-transfer',
    async () => {
      const download = await underWay(40 * MiB, [20, 60, 0])
      await wan.forget()
      await download.grown()
      await complete(download, IN_FLIGHT)
    },
    5 * MINUTES,
  )

  testWith(
    needs,
    'a line of half a megabit that loses packets is slow, and not taken for dead',
    async () => {
      const download = await underWay(4 * MiB, [0.5, 600, 0.5])
      // A packet that is lost several times in a row is as quiet as a line that is dead: seldom, and a chunk of 64 KiB each.
      await complete(download, MiB / 4)
    },
    5 * MINUTES,
  )
})
