import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand, halfPut } from '../helpers/by-hand.ts'
import { putChunk } from '../helpers/chunks.ts'
import { sha256Of } from '../helpers/folder.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'

// The wire, spoken by hand: every row of the protocol's table.
describe('protocol', () => {
  let stack: Stack
  const content = randomBytes(300_000)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const begun = (ask: Json = {}) => beginByHand(stack, content, ask)

  test('chunks in any order, at once, become the file', async () => {
    const { id, put, complete } = await begun()
    const answers = await Promise.all([put(200_000, 300_000), put(100_000, 200_000), put(0, 100_000)])
    expect(answers.map((answer) => answer.status)).toEqual([204, 204, 204])
    expect(await complete(id, 1, content.byteLength, sha256)).toMatchObject({
      status: 200,
      body: { status: 'completed', verified: true, sha256 },
    })
    expect((await stack.stored(await stack.get(`/downloads/${id}`))).equals(content)).toBe(true)
  })

  test('complete names what is missing, and a lost answer is answered the same', async () => {
    const { id, put, complete } = await begun()
    await put(100_000, 200_000)
    expect(await complete(id, 1, content.byteLength, sha256)).toMatchObject({
      status: 409,
      body: {
        code: 'incomplete',
        missing: [
          { start: 0, end: 100_000 },
          { start: 200_000, end: 300_000 },
        ],
      },
    })
    await put(0, 100_000)
    await put(200_000, 300_000)
    const first = await complete(id, 1, content.byteLength, sha256)
    const second = await complete(id, 1, content.byteLength, sha256)
    expect(second).toMatchObject({ status: 200, body: first.body })
  })

  test('begin again answers what is durable', async () => {
    const { id, put, begin } = await begun()
    await put(0, 100_000)
    await put(200_000, 250_000)
    expect(await begin(id, content.byteLength)).toMatchObject({
      status: 200,
      body: {
        attempt: 1,
        received: [
          { start: 0, end: 100_000 },
          { start: 200_000, end: 250_000 },
        ],
      },
    })
  })

  test('the chunks of the attempt under way, with their digests, for whoever asks', async () => {
    const { id, put } = await begun()
    await put(200_000, 250_000)
    await put(0, 100_000)
    const row = (start: number, end: number) => ({ start, end, digest: sha256Of(content.subarray(start, end)) })
    const both = [row(0, 100_000), row(200_000, 250_000)]
    const path = `/jobs/${id}/chunks`
    expect(await stack.get(`${path}?attempt=1`)).toEqual({ attempt: 1, chunks: both, next: null })
    expect(await stack.get(`${path}?attempt=1&from=99999`)).toMatchObject({ chunks: both })
    expect(await stack.get(`${path}?attempt=1&from=100000`)).toMatchObject({ chunks: [both[1]] })
    expect(await stack.get(`${path}?attempt=1&from=250000`)).toMatchObject({ chunks: [], next: null })
    expect(await stack.get(`${path}?attempt=2`)).toMatchObject({ status: 409, code: 'attempt-superseded' })
    expect(await stack.get(path)).toMatchObject({ status: 400, code: 'invalid', field: 'attempt' })
    expect(await stack.get(`${path}?attempt=1&from=-1`)).toMatchObject({ status: 400, code: 'invalid', field: 'from' })
    await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    expect(await stack.get(`${path}?attempt=1`)).toMatchObject({ status: 410, code: 'job-gone' })
  })

  test('chunks are told a thousand at a time', async () => {
    const { id } = await begun()
    await stack.execute(
      `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
       INSERT INTO chunks SELECT '${id}', 1, i * 10, i * 10 + 10, '${sha256}', '' FROM n`,
    )
    const starts: number[] = []
    const nexts: (number | null)[] = []
    for (let from: number | null = 0; from !== null; from = nexts.at(-1) ?? null) {
      const { chunks, next } = await stack.get(`/jobs/${id}/chunks?attempt=1&from=${from}`)
      starts.push(...chunks.map(({ start }: { start: number }) => start))
      nexts.push(next)
    }
    expect(nexts).toEqual([10_000, 20_000, null])
    expect(starts).toEqual(Array.from({ length: 2001 }, (_, index) => index * 10))
  })

  test('a replay is 204 and counted as sent twice', async () => {
    const { id, put } = await begun()
    await put(0, 100_000)
    expect((await put(0, 100_000)).status).toBe(204)
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ bytesReceived: 100_000, bytesResent: 100_000 })
  })

  test('another overlap is range-conflict with what is received', async () => {
    const { put } = await begun()
    await put(0, 100_000)
    expect(await put(50_000, 150_000)).toMatchObject({
      status: 409,
      body: { code: 'range-conflict', received: [{ start: 0, end: 100_000 }] },
    })
  })

  test('the same range with other bytes is source-changed', async () => {
    const { put } = await begun()
    await put(0, 100_000)
    expect(await put(0, 100_000, { bytes: randomBytes(100_000) })).toMatchObject({
      status: 412,
      body: { code: 'source-changed' },
    })
  })

  test('a damaged chunk is refused, and its bytes do not count', async () => {
    const { id, put } = await begun()
    expect(await put(0, 100_000, { digest: sha256Of(Buffer.from('other')) })).toMatchObject({
      status: 400,
      body: { code: 'digest-mismatch' },
    })
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [] })
    expect((await put(0, 100_000)).status).toBe(204)
  })

  test.each([
    ['Content-Range', { 'content-range': 'bytes 5-1/300000' }, 400, 'range-invalid'],
    ['another size', { 'content-range': 'bytes 0-9/10' }, 400, 'range-invalid'],
    ['a length that is not the range’s', { 'content-range': 'bytes 0-50000/300000' }, 400, 'range-invalid'],
    ['Content-Digest', { 'content-digest': 'sha-256=:AAAA:' }, 400, 'digest-invalid'],
    ['Attempt', { attempt: 'first' }, 400, 'invalid'],
    ['another attempt', { attempt: '2' }, 409, 'attempt-superseded'],
    ['Content-Encoding', { 'content-encoding': 'gzip' }, 415, 'unsupported-media-type'],
  ])('refuses %s', async (_name, headers, status, code) => {
    const { id, put } = await begun()
    expect(await put(0, 10, { headers })).toMatchObject({ status, body: { code, status } })
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [] })
  })

  test('our headers without Content-Range are no whole file: a proxy stripped it', async () => {
    const { id, session } = await begun()
    const response = await fetch(`${stack.url}/jobs/${id}/file`, {
      method: 'PUT',
      headers: { 'agent-session': session },
      body: content,
    })
    expect([response.status, ((await response.json()) as Json)['code']]).toEqual([400, 'range-invalid'])
  })

  test('another version is source-changed: fail fails, restart makes a new attempt, a retry begins anew', async () => {
    const failing = await begun()
    await failing.put(0, 100_000)
    expect(await failing.begin(failing.id, 10, 'v2')).toMatchObject({ status: 412, body: { code: 'source-changed' } })
    expect(await stack.get(`/downloads/${failing.id}`)).toMatchObject({ status: 'failed', reason: 'changed' })
    expect(await stack.post(`/downloads/${failing.id}/retry`)).toMatchObject({
      status: 202,
      body: { status: 'queued', reason: null },
    })
    expect(await failing.begin(failing.id, 10, 'v2')).toMatchObject({
      status: 200,
      body: { attempt: 2, size: 10, received: [] },
    })

    const restarting = await begun({ policy: 'restart' })
    await restarting.put(0, 100_000)
    expect(await restarting.begin(restarting.id, 10, 'v2')).toMatchObject({
      status: 200,
      body: { attempt: 2, size: 10, received: [] },
    })
    expect(await restarting.put(0, 100_000)).toMatchObject({ status: 409, body: { code: 'attempt-superseded' } })
  })

  test('a retry keeps the attempt when the source is the same', async () => {
    const { id, put, fail, begin } = await begun()
    await put(0, 100_000)
    expect(await fail(id, 'io-error', 1)).toMatchObject({ status: 200, body: { status: 'failed', reason: 'io-error' } })
    await stack.post(`/downloads/${id}/retry`)
    expect(await begin(id, content.byteLength)).toMatchObject({
      status: 200,
      body: { attempt: 1, received: [{ start: 0, end: 100_000 }] },
    })
  })

  test('prefix keeps the size of its first begin', async () => {
    const { id, begin } = await begun({ policy: 'prefix' })
    expect(await begin(id, content.byteLength + 5)).toMatchObject({
      status: 200,
      body: { attempt: 1, size: content.byteLength },
    })
    expect(await begin(id, 5)).toMatchObject({ status: 412 })
  })

  test('a store that does not hold what was announced makes a new attempt, twice at most', async () => {
    const { id, begin, complete, session } = await begun()
    for (const attempt of [1, 2, 3]) {
      expect(await begin(id, content.byteLength)).toMatchObject({ status: 200, body: { attempt, received: [] } })
      await putChunk(stack, id, { session, attempt, start: 0, bytes: content, total: content.byteLength })
      const answer = await complete(id, attempt, content.byteLength, sha256Of(Buffer.from('other')))
      if (attempt < 3) expect(answer).toMatchObject({ status: 409, body: { code: 'attempt-superseded' } })
      else expect(answer).toMatchObject({ status: 410, body: { code: 'job-gone', reason: 'damaged' } })
    }
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'failed', reason: 'damaged', filePath: null })
  })

  test('cancel refused while uploading: it ends the writers, and is final', async () => {
    const { id, put, begin, complete, session } = await begun()
    await put(0, 100_000)
    const half = await halfPut(stack, { id, session }, [100_000, 300_000], content.byteLength)
    const cancelled = await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    expect(await cancelled.json()).toMatchObject({ status: 'cancelled' })
    await half.answered(410)
    half.socket.destroy()
    for (const late of [
      await put(200_000, 300_000),
      await begin(id, content.byteLength),
      await complete(id, 1, content.byteLength, sha256),
    ]) {
      expect(late).toMatchObject({ status: 410, body: { code: 'job-gone', reason: 'cancelled' } })
    }
    expect((await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })).status).toBe(200)
  })

  test('a range that another connection writes is waited for; one that stands still is taken over', async () => {
    const { id, put, session } = await begun()
    const half = await halfPut(stack, { id, session }, [0, 100_000], content.byteLength)
    const begunAt = performance.now()
    expect((await put(50_000, 150_000)).status).toBe(204)
    expect(performance.now() - begunAt).toBeGreaterThan(3000)
    await half.answered(409)
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [{ start: 50_000, end: 150_000 }] })
    half.socket.destroy()
  })

  test('an empty file needs begin and complete, nothing else', async () => {
    const clientId = `client-${randomUUID()}`
    const agent = await rawAgent(stack, clientId)
    const { id } = await stack.ask({ clientId })
    expect(await agent.begin(id, 0)).toMatchObject({ status: 200, body: { size: 0 } })
    expect(await agent.complete(id, 1, 0, sha256Of(Buffer.alloc(0)))).toMatchObject({
      status: 200,
      body: { status: 'completed', size: 0, verified: true },
    })
  })
})
