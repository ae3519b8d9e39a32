import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const KILLS = 100
const CHUNK = 64 * 1024
const IN_FLIGHT = 4 * CHUNK
const SIZE = 1024 * MiB
/** Bytes that must have come between two kills: all of them fall into the download. */
const STEP = Math.floor(SIZE / (2 * KILLS + 20))

describe('kills', () => {
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

  testWith(
    { long: true },
    `${KILLS} SIGKILLs of the agent and ${KILLS} of the server during one download, each after its bytes had grown`,
    async () => {
      const file = join(stack.folder, 'video')
      const sha256 = await writeRandom(file, SIZE)
      const args = ['--file', file, '--server', proxy.url, '--chunk-size', '64KiB']
      let agent = await stack.online('site', args)
      const { id } = await stack.ask({ clientId: 'site' })
      const received = async (): Promise<number> => {
        const download = await stack.get(`/downloads/${id}`)
        if (download['completedAt'] !== null) throw new Error(`it has ended: ${JSON.stringify(download)}`)
        return download['bytesReceived']
      }
      let last = 0
      const grown = async (): Promise<void> => {
        last = await until('more bytes', async () => {
          const now = await received()
          return now >= last + STEP && now
        })
      }
      for (let kill = 0; kill < KILLS; kill += 1) {
        await grown()
        await agent.kill('SIGKILL')
        agent = stack.agent('site', args)
        await grown()
        await stack.restart('SIGKILL')
      }
      expect(last).toBeLessThan(SIZE)
      const done = await stack.ended(id, 120_000)
      expect(done).toMatchObject({ status: 'completed', sha256, verified: true, attempt: 1 })
      const twice = proxy.sent() - SIZE
      process.stdout.write(
        `${2 * KILLS} kills: ${twice} bytes beyond the file's ${SIZE} (${((twice / SIZE) * 100).toFixed(2)} %, headers and polls included); the server counted ${done['bytesResent']}\n`,
      )
      expect(twice).toBeLessThanOrEqual(2 * KILLS * IN_FLIGHT)
      expect(twice / SIZE).toBeLessThan(0.05)
    },
    20 * 60_000,
  )
})
