import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatDigest } from '../../shared/digest.ts'
import { beginByHand, halfPut } from '../helpers/by-hand.ts'
import { putChunk } from '../helpers/chunks.ts'
import { sha256Of } from '../helpers/folder.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'

// Who serves a client, how it polls, and how it sends without our agent.
describe('sessions and polls', () => {
  let stack: Stack
  const content = randomBytes(300_000)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const begun = (ask: Json = {}) => beginByHand(stack, content, ask)

  test('an older session is superseded for ever, a session from the future unknown', async () => {
    const { clientId, id, put, begin } = await begun()
    await put(0, 100_000)
    const newer = await rawAgent(stack, clientId)
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
    const { clientId, headers } = await begun()
    const poll = new AbortController()
    const held = fetch(`${stack.url}/jobs?client=${clientId}&seen=0`, {
      headers: { ...headers, prefer: 'wait=30' },
      signal: poll.signal,
    })
    await held
    expect(await rawAgent(stack, clientId, false)).toMatchObject({ status: 409, answer: { code: 'session-held' } })
    expect(await stack.get(`/clients/${clientId}`)).toMatchObject({ conflicts: { count: 1, lastHostname: 'test' } })
  })

  test('a new session releases the poll of the one before', async () => {
    const { clientId, headers, session } = await begun()
    const { rev } = await stack.get(`/jobs?client=${clientId}&seen=0`, headers)
    const held = fetch(`${stack.url}/jobs?client=${clientId}&seen=${rev}`, {
      headers: { 'agent-session': session, prefer: 'wait=60' },
    })
    await rawAgent(stack, clientId)
    const response = await held
    expect([response.status, ((await response.json()) as Json)['code']]).toEqual([409, 'session-superseded'])
  })

  test('a newer session takes a range over from an older one', async () => {
    const { clientId, id, session } = await begun()
    const half = await halfPut(stack, { id, session }, [0, 100_000], content.byteLength)
    const newer = await rawAgent(stack, clientId)
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
    const { clientId, id, headers } = await begun()
    const first = await stack.get(`/jobs?client=${clientId}`, headers)
    expect(first).toEqual(await stack.get(`/jobs?client=${clientId}`, headers))
    expect(first['jobs']).toMatchObject([
      { id, protocol: 1, kind: 'file', path: null, policy: 'fail', status: 'transferring', attempt: 1 },
    ])
    const held = fetch(`${stack.url}/jobs?client=${clientId}&seen=${first['rev']}`, {
      headers: { ...headers, prefer: 'wait=60' },
    })
    const { id: next } = await stack.ask({ clientId, path: 'b' })
    const { rev, jobs } = (await (await held).json()) as Json
    expect(rev).toBe(first['rev'] + 1)
    expect(jobs.map((job: Json) => job['id'])).toEqual([id, next])
    const timedOut = await fetch(`${stack.url}/jobs?client=${clientId}&seen=${rev}`, {
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

  test.each(['\u0007', '\ud800'])('a host name with %j is refused: not every store could keep it', async (strange) => {
    const answer = await stack.post('/sessions', {
      protocol: 1,
      clientId: 'a',
      instance: randomUUID(),
      takeover: true,
      agent: { version: '9', platform: 'x', hostname: `x${strange}` },
      shared: [],
    })
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid' } })
  })

  describe('curl -T', () => {
    const asked = async (): Promise<string> => {
      const clientId = `client-${randomUUID()}`
      await stack.get(`/jobs?client=${clientId}`).catch(() => undefined)
      return String((await stack.ask({ clientId }))['id'])
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
      })
      expect([response.status, ((await response.json()) as Json)['code']]).toEqual([411, 'length-required'])
    })
  })
})
