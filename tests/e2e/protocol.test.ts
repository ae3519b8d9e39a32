import { randomBytes, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatDigest } from '../../shared/digest.ts'
import { putChunk, type ChunkOptions } from '../helpers/chunks.ts'
import { sha256Of } from '../helpers/folder.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

// The wire, spoken by hand: every row of the protocol's table.
describe('protocol', () => {
  let stack: Stack
  let client: string
  const content = randomBytes(300_000) as Buffer<ArrayBuffer>
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  /** A client of its own with a session and one download begun. */
  const begun = async (body: Json = {}) => {
    client = `client-${randomUUID()}`
    const agent = await rawAgent(stack, client)
    const { id } = await stack.ask({ clientId: client, ...body })
    const answer = await agent.begin(id, content.byteLength)
    expect(answer).toMatchObject({ status: 200, body: { id, attempt: 1, size: content.byteLength, received: [] } })
    const put = (start: number, end: number, extra: Partial<ChunkOptions> = {}) =>
      putChunk(stack, id, {
        session: agent.session,
        attempt: 1,
        start,
        bytes: content.subarray(start, end),
        total: content.byteLength,
        ...extra,
      })
    return { ...agent, id: String(id), put }
  }

  test('chunks in any order, at once, become the file', async () => {
    const { id, put, complete } = await begun()
    const answers = await Promise.all([put(200_000, 300_000), put(100_000, 200_000), put(0, 100_000)])
    expect(answers.map((answer) => answer.status)).toEqual([204, 204, 204])
    expect(await complete(id, 1, content.byteLength, sha256)).toMatchObject({
      status: 200,
      body: { status: 'completed', verified: true, sha256 },
    })
    const { filePath } = await stack.get(`/downloads/${id}`)
    expect((await readFile(filePath)).equals(content)).toBe(true)
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
    expect(await put(0, 100_000, { bytes: randomBytes(100_000) as Buffer<ArrayBuffer> })).toMatchObject({
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

  test('an older session is superseded for ever, a session from the future unknown', async () => {
    const { id, put, begin } = await begun()
    await put(0, 100_000)
    const newer = await rawAgent(stack, client)
    expect(await put(100_000, 200_000)).toMatchObject({ status: 409, body: { code: 'session-superseded' } })
    expect(await begin(id, content.byteLength)).toMatchObject({ status: 409, body: { code: 'session-superseded' } })
    expect(await newer.begin(id, content.byteLength)).toMatchObject({
      status: 200,
      body: { attempt: 1, received: [{ start: 0, end: 100_000 }] },
    })
    expect(await put(0, 10, { session: '99.abc' })).toMatchObject({ status: 409, body: { code: 'session-unknown' } })
  })

  test('a lost answer to a session is answered the same, and a past instance never returns', async () => {
    const id = `client-${randomUUID()}`
    const first = await rawAgent(stack, id, true, 'instance-0000000001')
    const again = await rawAgent(stack, id, true, 'instance-0000000001')
    expect(again.session).toBe(first.session)
    await rawAgent(stack, id, true, 'instance-0000000002')
    expect(await rawAgent(stack, id, true, 'instance-0000000001')).toMatchObject({
      status: 409,
      answer: { code: 'session-superseded' },
    })
  })

  test('without takeover an agent that is alive is left alone, and the conflict is shown', async () => {
    const { headers } = await begun()
    const poll = new AbortController()
    const held = fetch(`${stack.url}/jobs?client=${client}&seen=0`, {
      headers: { ...headers, prefer: 'wait=30' },
      signal: poll.signal,
    })
    await held
    expect(await rawAgent(stack, client, false)).toMatchObject({ status: 409, answer: { code: 'session-held' } })
    expect(await stack.get(`/clients/${client}`)).toMatchObject({ conflicts: { count: 1, lastHostname: 'test' } })
  })

  test('a new session releases the poll of the one before', async () => {
    const { headers, session } = await begun()
    const { rev } = await stack.get(`/jobs?client=${client}&seen=0`, headers)
    const held = fetch(`${stack.url}/jobs?client=${client}&seen=${rev}`, {
      headers: { 'agent-session': session, prefer: 'wait=60' },
    })
    await rawAgent(stack, client)
    const response = await held
    expect([response.status, ((await response.json()) as Json)['code']]).toEqual([409, 'session-superseded'])
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

  /** A PUT whose body stops after a few bytes; resolves once the server has taken its headers. */
  const halfPut = async (id: string, session: string, start: number, end: number) => {
    const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
    let text = ''
    socket.on('data', (data) => (text += data.toString())).on('error', () => undefined)
    socket.write(
      [
        `PUT /jobs/${id}/file HTTP/1.1`,
        'Host: x',
        'Expect: 100-continue',
        `Agent-Session: ${session}`,
        'Attempt: 1',
        `Content-Range: bytes ${start}-${end - 1}/${content.byteLength}`,
        `Content-Digest: ${formatDigest(sha256)}`,
        `Content-Length: ${end - start}`,
        '\r\n',
      ].join('\r\n'),
    )
    await until('100 Continue', async () => text.startsWith('HTTP/1.1 100'))
    socket.write('some')
    return {
      socket,
      answered: (status: number) => until(`${status}`, async () => text.includes(`HTTP/1.1 ${status} `)),
    }
  }

  test('cancel ends the writers, and is final', async () => {
    const { id, put, begin, complete, session } = await begun()
    await put(0, 100_000)
    const half = await halfPut(id, session, 100_000, 300_000)
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
    const half = await halfPut(id, session, 0, 100_000)
    const begunAt = performance.now()
    expect((await put(50_000, 150_000)).status).toBe(204)
    expect(performance.now() - begunAt).toBeGreaterThan(3000)
    await half.answered(409)
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [{ start: 50_000, end: 150_000 }] })
    half.socket.destroy()
  })

  test('a newer session takes a range over from an older one', async () => {
    const { id, session } = await begun()
    const half = await halfPut(id, session, 0, 100_000)
    const newer = await rawAgent(stack, client)
    await newer.begin(id, content.byteLength)
    const chunk = {
      session: newer.session,
      attempt: 1,
      start: 0,
      bytes: content.subarray(0, 150_000),
      total: content.byteLength,
    }
    expect((await putChunk(stack, id, chunk)).status).toBe(204)
    await half.answered(409)
    half.socket.destroy()
  })

  test('a poll hands nothing over: asked again it says the same, and a seen revision waits', async () => {
    const { id, headers } = await begun()
    const first = await stack.get(`/jobs?client=${client}`, headers)
    expect(first).toEqual(await stack.get(`/jobs?client=${client}`, headers))
    expect(first['jobs']).toMatchObject([
      { id, protocol: 1, kind: 'file', path: null, policy: 'fail', status: 'transferring', attempt: 1 },
    ])
    const held = fetch(`${stack.url}/jobs?client=${client}&seen=${first['rev']}`, {
      headers: { ...headers, prefer: 'wait=60' },
    })
    const { id: next } = await stack.ask({ clientId: client, path: 'b' })
    const { rev, jobs } = (await (await held).json()) as Json
    expect(rev).toBe(first['rev'] + 1)
    expect(jobs.map((job: Json) => job['id'])).toEqual([id, next])
    const timedOut = await fetch(`${stack.url}/jobs?client=${client}&seen=${rev}`, {
      headers: { ...headers, prefer: 'wait=1' },
    })
    expect([
      timedOut.status,
      timedOut.headers.get('cache-control'),
      timedOut.headers.get('preference-applied'),
    ]).toEqual([204, 'no-store', 'wait=1'])
  })

  test('an agent of another protocol is told which is spoken', async () => {
    const agent = { version: '9', platform: 'x', hostname: 'x' }
    const answer = await stack.post('/sessions', {
      protocol: 9,
      clientId: 'a',
      instance: randomUUID(),
      takeover: true,
      agent,
      shared: [],
    })
    expect(answer).toMatchObject({ status: 400, body: { code: 'protocol-unsupported', protocol: 1 } })
  })

  test('an empty file needs begin and complete, nothing else', async () => {
    client = `client-${randomUUID()}`
    const agent = await rawAgent(stack, client)
    const { id } = await stack.ask({ clientId: client })
    expect(await agent.begin(id, 0)).toMatchObject({ status: 200, body: { size: 0 } })
    expect(await agent.complete(id, 1, 0, sha256Of(Buffer.alloc(0)))).toMatchObject({
      status: 200,
      body: { status: 'completed', size: 0, verified: true },
    })
  })

  describe('curl -T', () => {
    const asked = async (): Promise<string> => {
      client = `client-${randomUUID()}`
      await stack.get(`/jobs?client=${client}`).catch(() => undefined)
      return String((await stack.ask({ clientId: client }))['id'])
    }
    const send = async (id: string, headers: Record<string, string> = {}, bytes = content) => {
      const response = await fetch(`${stack.url}/jobs/${id}/file`, { method: 'PUT', headers, body: bytes })
      return { status: response.status, body: (await response.json()) as Json }
    }

    test('the whole file at once completes unverified, with Repr-Digest verified', async () => {
      const id = await asked()
      expect(await send(id)).toMatchObject({ status: 200, body: { status: 'completed', verified: false, sha256 } })
      const digested = await asked()
      expect(await send(digested, { 'repr-digest': formatDigest(sha256) })).toMatchObject({
        status: 200,
        body: { status: 'completed', verified: true, sha256 },
      })
    })

    test('an empty one, too', async () => {
      expect(await send(await asked(), {}, Buffer.alloc(0))).toMatchObject({
        status: 200,
        body: { status: 'completed', size: 0, sha256: sha256Of(Buffer.alloc(0)) },
      })
    })

    test('a wrong digest leaves the job queued for the next try', async () => {
      const id = await asked()
      expect(await send(id, { 'repr-digest': formatDigest(sha256Of(Buffer.from('x'))) })).toMatchObject({
        status: 400,
        body: { code: 'digest-mismatch' },
      })
      expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'queued', bytesReceived: 0 })
      expect(await send(id)).toMatchObject({ status: 200, body: { status: 'completed', attempt: 2 } })
    })

    test('needs a Content-Length', async () => {
      const id = await asked()
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(content)
          controller.close()
        },
      })
      const response = await fetch(`${stack.url}/jobs/${id}/file`, {
        method: 'PUT',
        body,
        duplex: 'half',
      } as RequestInit)
      expect([response.status, ((await response.json()) as Json)['code']]).toEqual([411, 'length-required'])
    })
  })
})
