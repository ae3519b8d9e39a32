import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand, halfPut } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const KiB = 1024
const SIZE = 640 * KiB
const content = randomBytes(SIZE)

describe('the map of a download', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  /** What is received may be told as it was a moment ago. */
  const mapped = (id: string, wanted: Json): Promise<Json> =>
    until(JSON.stringify(wanted), async () => {
      const map = await stack.get(`/downloads/${id}/map`)
      return Object.entries(wanted).every(([name, value]) => JSON.stringify(map[name]) === JSON.stringify(value)) && map
    })
  const range = (start: number, end: number): Json => ({ start: start * KiB, end: end * KiB })

  test('shows holes, whatever order the chunks come in; then the whole', async () => {
    const { clientId, ...job } = await beginByHand(stack, content)
    const waiting = await stack.ask({ clientId })
    const none = { size: null, received: [], receiving: [], resent: [], joined: false }
    expect(await stack.get(`/downloads/${waiting['id']}/map`)).toEqual({ attempt: 0, ...none })
    expect(await stack.get(`/downloads/${job.id}/map`)).toEqual({ attempt: 1, ...none, size: SIZE })

    await job.put(256 * KiB, 320 * KiB)
    await job.put(0, 64 * KiB)
    await mapped(job.id, { received: [range(0, 64), range(256, 320)] })
    await job.put(64 * KiB, 128 * KiB)
    await mapped(job.id, { received: [range(0, 128), range(256, 320)] })
    await job.put(320 * KiB, SIZE)
    await job.put(128 * KiB, 256 * KiB)
    expect((await job.complete(job.id, 1, SIZE, sha256Of(content))).status).toBeLessThan(300)
    await stack.reached(job.id, 'completed')
    expect(await stack.get(`/downloads/${job.id}/map`)).toEqual({
      attempt: 1,
      ...none,
      size: SIZE,
      received: [range(0, 640)],
    })
  })

  test('shows a chunk that is coming, with what has come of it; in vain, once it breaks off', async () => {
    const job = await beginByHand(stack, content)
    await job.put(0, 64 * KiB)
    const half = await halfPut(stack, job, [128 * KiB, 256 * KiB], SIZE, content)
    await mapped(job.id, { received: [range(0, 64)], receiving: [{ ...range(128, 256), bytes: 4 }], resent: [] })
    half.socket.destroy()
    const begun = 128 * KiB
    await mapped(job.id, { received: [range(0, 64)], receiving: [], resent: [{ start: begun, end: begun + 4 }] })
  })

  test('shows what came again', async () => {
    const job = await beginByHand(stack, content)
    await job.put(0, 64 * KiB)
    await job.put(128 * KiB, 192 * KiB)
    expect((await job.put(128 * KiB, 192 * KiB)).status).toBeLessThan(300)
    await mapped(job.id, { received: [range(0, 64), range(128, 192)], receiving: [], resent: [range(128, 192)] })
    expect(await stack.get(`/downloads/${job.id}`)).toMatchObject({ bytesResent: 64 * KiB })
  })

  test('shows nothing of what was discarded', async () => {
    const job = await beginByHand(stack, content)
    await job.put(0, 64 * KiB)
    await job.put(0, 64 * KiB)
    await mapped(job.id, { received: [range(0, 64)], resent: [range(0, 64)] })
    await fetch(`${stack.url}/downloads/${job.id}`, { method: 'DELETE' })
    await mapped(job.id, { received: [], receiving: [], resent: [], joined: false })
  })

  test('is of what there is, and of a file without bytes empty', async () => {
    expect(await stack.get(`/downloads/${crypto.randomUUID()}/map`)).toMatchObject({ code: 'download-unknown' })
    const empty = Buffer.alloc(0)
    const job = await beginByHand(stack, empty)
    await job.complete(job.id, 1, 0, sha256Of(empty))
    await stack.reached(job.id, 'completed')
    expect(await stack.get(`/downloads/${job.id}/map`)).toMatchObject({ size: 0, received: [], joined: false })
  })
})
