import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand, halfPut } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

type Begun = Awaited<ReturnType<typeof beginByHand>>

// Twice, late, at once: requests as they come when lines break and processes sleep.
describe('races', () => {
  let stack: Stack
  const content = randomBytes(300_000)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const begun = (ask: Json = {}) => beginByHand(stack, content, ask)
  const half = (job: Begun, range: [number, number]) => halfPut(stack, job, range, content.byteLength, content)
  const cancel = async (id: string) => {
    const response = await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    return { status: response.status, body: (await response.json()) as Json }
  }
  const isWhole = async (id: string): Promise<boolean> =>
    (await stack.stored(await stack.get(`/downloads/${id}`))).equals(content)

  test('the same chunk twice at once: both are answered 204, and the bytes count once', async () => {
    const { id, put, complete } = await begun()
    const answers = await Promise.all([put(0, 300_000), put(0, 300_000), put(0, 300_000)])
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204])
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ bytesReceived: 300_000, bytesResent: 600_000 })
    expect((await complete(id, 1, 300_000, sha256)).status).toBe(200)
    expect(await isWhole(id)).toBe(true)
  })

  test('overlapping chunks at once: one lands, the other is told what is received', async () => {
    const { id, put, complete } = await begun()
    const answers = await Promise.all([put(0, 200_000), put(100_000, 300_000)])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([204, 409])
    const [received] = (await stack.get(`/jobs/${id}`))['received']
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({
      code: 'range-conflict',
      received: [received],
    })
    expect((await (received.start === 0 ? put(200_000, 300_000) : put(0, 100_000))).status).toBe(204)
    expect((await complete(id, 1, 300_000, sha256)).status).toBe(200)
    expect(await isWhole(id)).toBe(true)
  })

  test.each<[string, Json, number, (job: Begun) => Promise<unknown>]>([
    ['a takeover', {}, 409, ({ clientId }) => rawAgent(stack, clientId)],
    ['a cancel', {}, 410, ({ id }) => cancel(id)],
    ['a failure', {}, 410, ({ id, fail }) => fail(id, 'io-error', 1)],
    ['a new attempt', { policy: 'restart' }, 409, ({ id, begin }) => begin(id, 10, 'v2')],
    ['its time', { expiresIn: 1 }, 410, ({ id }) => stack.reached(id, 'expired')],
  ])(
    'a lease ran out in mid-body and the write went on: not acknowledged after %s',
    async (_name, ask, status, happens) => {
      const job = await begun(ask)
      const late = await half(job, [0, 100_000])
      await happens(job)
      late.finish()
      await late.answered(status)
      late.socket.destroy()
      expect(await stack.get(`/jobs/${job.id}`)).toMatchObject({ received: [] })
    },
  )

  test('asking for the state broke the upload under way: it disturbs nothing, and neither does begin', async () => {
    const job = await begun()
    const slow = await half(job, [0, 300_000])
    await stack.get(`/jobs/${job.id}`)
    await fetch(`${stack.url}/jobs/${job.id}`, { method: 'HEAD' })
    await job.begin(job.id, 300_000)
    await stack.get(`/downloads/${job.id}`)
    slow.finish()
    await slow.answered(204)
    slow.socket.destroy()
    expect((await job.complete(job.id, 1, 300_000, sha256)).status).toBe(200)
  })

  test('a chunk after complete changes nothing', async () => {
    const { id, put, complete } = await begun()
    await put(0, 300_000)
    await complete(id, 1, 300_000, sha256)
    for (const late of [await put(0, 300_000), await put(0, 100, { bytes: randomBytes(100) })]) {
      expect(late).toMatchObject({ status: 410, body: { code: 'job-gone', reason: 'completed' } })
    }
    expect(await isWhole(id)).toBe(true)
  })

  test('complete twice at once is answered twice the same', async () => {
    const { id, put, complete } = await begun()
    await put(0, 300_000)
    const answers = await Promise.all([1, 2, 3].map(() => complete(id, 1, 300_000, sha256)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1)
  })

  test('the next block was sent although one was rejected: without it nothing is complete', async () => {
    const { id, put, complete } = await begun()
    expect((await put(0, 100_000, { digest: sha256Of(Buffer.from('other')) })).status).toBe(400)
    expect((await put(100_000, 300_000)).status).toBe(204)
    expect(await complete(id, 1, 300_000, sha256)).toMatchObject({
      status: 409,
      body: { code: 'incomplete', missing: [{ start: 0, end: 100_000 }] },
    })
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'transferring', verified: false })
  })

  test('success shown, zero bytes stored: complete without a byte is refused', async () => {
    const { id, complete } = await begun()
    expect(await complete(id, 1, 300_000, sha256)).toMatchObject({ status: 409, body: { code: 'incomplete' } })
    expect(await complete(id, 1, 0, sha256Of(Buffer.alloc(0)))).toMatchObject({ status: 412, body: { field: 'size' } })
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'transferring', filePath: null })
  })

  test('a cancelled file came back, a finished one was still named .partial: it is one of the two, for ever', async () => {
    const ends: { id: string; status: string; files: number }[] = []
    const files = async (clientId: string): Promise<number> =>
      (await stack.files()).filter((name) => name.startsWith(clientId)).length
    const jobs = await Promise.all(Array.from({ length: 20 }, () => begun()))
    for (const { id, clientId, put, complete } of jobs) {
      await put(0, 300_000)
      const [completed, cancelled] = await Promise.all([complete(id, 1, 300_000, sha256), cancel(id)])
      const { status } = await stack.reached(id, 'completed', 'cancelled')
      // Whoever was told of success was told the truth.
      expect([completed.status, cancelled.status]).toEqual(status === 'completed' ? [200, 409] : [410, 200])
      // The verification that had made its file takes that away again.
      if (status === 'cancelled') await until('it to have no file', async () => (await files(clientId)) === 0)
      ends.push({ id, status, files: await files(clientId) })
    }
    await stack.restart('SIGKILL')
    for (const [index, { id, status, files: then }] of ends.entries()) {
      expect(then).toBe(status === 'completed' ? 1 : 0)
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status })
      expect(await files(jobs[index]?.clientId ?? '')).toBe(then)
    }
    expect((await stack.files()).filter((name) => name.includes('part'))).toEqual([])
  })

  test('a job was handed to a poll whose client had gone: the next poll tells it at once', async () => {
    const { clientId, headers } = await begun()
    for (let round = 0; round < 10; round += 1) {
      const { rev } = await stack.get(`/jobs?client=${clientId}`, headers)
      const path = `/jobs?client=${clientId}&seen=${rev}`
      const poll = request(stack.url + path, { headers: { ...headers, prefer: 'wait=60' } })
      poll.on('error', () => undefined).end()
      await until('the poll to be held', async () => (await openPolls(stack)) === 1)
      poll.destroy()
      // Now and then before the server has heard that it is gone.
      if (round % 2 === 0) await until('the poll to be gone', async () => (await openPolls(stack)) === 0)
      const { id } = await stack.ask({ clientId, path: `file-${round}` })
      const again = await stack.get(path, { ...headers, prefer: 'wait=60' })
      expect(again['jobs'].map((job: Json) => job['id'])).toContain(id)
    }
  })

  test('one vanished file hung the whole job: each file of a batch has a result of its own', async () => {
    const sites = await Promise.all([begun(), begun(), begun()])
    const { downloads } = await stack.ask({ clientIds: sites.map(({ clientId }) => clientId), path: 'till.csv' })
    for (const [index, { id, clientId }] of downloads.entries()) {
      const site = sites.find((one) => one.clientId === clientId)
      if (index === 1) await site?.fail(id, 'not-found')
      else {
        await site?.begin(id, 0)
        await site?.complete(id, 1, 0, sha256Of(Buffer.alloc(0)))
      }
    }
    const ends = await Promise.all(downloads.map(({ id }: Json) => stack.reached(id, 'completed', 'failed')))
    expect(ends.map(({ status }) => status)).toEqual(['completed', 'failed', 'completed'])
  })
})
