import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of, writeRandom } from '../helpers/folder.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const SIZE = 24 * MiB
const LIMIT = 240_000

describe('the bucket cannot be reached', () => {
  let stack: Stack
  let line: Proxy

  beforeAll(async () => {
    line = await startProxy(process.env['S3_ENDPOINT'] ?? '')
    stack = await startStack({ S3_ENDPOINT: line.url })
  })
  afterAll(async () => {
    await stack.stop()
    await line.close()
  })

  const isReady = async (): Promise<boolean> => (await fetch(`${stack.url}/ready`)).status === 200
  const ways = [
    ['refused', () => line.refuse(), () => line.welcome()],
    ['silent', () => line.silence(), () => line.mend()],
  ] as const

  test.each(ways)(
    '%s in mid-upload: the server says so, the agent waits, and no attempt is lost',
    async (clientId, cut, mend) => {
      const file = join(stack.folder, `${clientId}.bin`)
      const sha256 = await writeRandom(file, SIZE)
      await stack.online(clientId, ['--file', file, '--limit', '6MB/s', '--chunk-size', '1MiB'])
      const { id } = await stack.ask({ clientId })
      const received = async (): Promise<number> => (await stack.get(`/downloads/${id}`))['bytesReceived']
      await until('some of it', async () => (await received()) > 2 * MiB)
      cut()
      await until('it to be noticed', async () => !(await isReady()), 60_000)
      const before = await received()
      expect(before).toBeLessThan(SIZE)
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'transferring', attempt: 1 })
      mend()
      expect(await stack.ended(id, LIMIT)).toMatchObject({ status: 'completed', verified: true, sha256, attempt: 1 })
      expect(await isReady()).toBe(true)
    },
    LIMIT,
  )

  test(
    'while a chunk is stored, and while it is verified: 503 with when to come again, and it completes then',
    async () => {
      const content = randomBytes(300_000)
      const { id, put, complete } = await beginByHand(stack, content)
      expect((await put(0, 100_000)).status).toBe(204)
      line.refuse()
      const refused = await put(100_000, 200_000)
      expect([refused.status, refused.body?.['code']]).toEqual([503, 'store-busy'])
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      line.welcome()
      expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [{ start: 0, end: 100_000 }] })
      expect((await put(100_000, 300_000)).status).toBe(204)

      line.refuse()
      const unverified = await complete(id, 1, content.byteLength, sha256Of(content))
      expect([202, 503]).toContain(unverified.status)
      line.welcome()
      const done = await stack.reached(id, 'completed')
      expect(done).toMatchObject({ verified: true, attempt: 1, sha256: sha256Of(content) })
    },
    LIMIT,
  )

  test(
    'while it is read: the answer breaks off, and is never taken for whole',
    async () => {
      const content = randomBytes(16 * MiB)
      const { id, put, complete } = await beginByHand(stack, content)
      for (let at = 0; at < content.byteLength; at += 4 * MiB) expect((await put(at, at + 4 * MiB)).status).toBe(204)
      await complete(id, 1, content.byteLength, sha256Of(content))
      const done = await stack.reached(id, 'completed')
      line.slow(2 * MiB)
      const reader = (await fetch(`${stack.url}/downloads/${id}/content`)).body!.getReader()
      await reader.read()
      line.refuse()
      const rest = async (): Promise<void> => {
        while (!(await reader.read()).done);
      }
      await expect(rest()).rejects.toThrow()
      line.slow(Infinity)
      line.welcome()
      expect((await stack.stored(done)).equals(content)).toBe(true)
    },
    LIMIT,
  )
})
