import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatDigest } from '../../shared/digest.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'

// A chunk that tells the digest of the whole: the one that fills the last hole completes.
describe('the last chunk', () => {
  let stack: Stack
  const content = randomBytes(300_000)
  const sha256 = sha256Of(content)
  const whole = { 'repr-digest': formatDigest(sha256) }
  const other = { 'repr-digest': formatDigest(sha256Of(Buffer.from('other'))) }

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const begun = async () => {
    const job = await beginByHand(stack, content)
    const put = (from: number, to: number, headers: Record<string, string> = {}) => job.put(from, to, { headers })
    return { ...job, put }
  }

  test('with the digest of the whole completes, and says so; those before it do not', async () => {
    const { id, put } = await begun()
    expect(await put(100_000, 200_000)).toMatchObject({ status: 204 })
    expect(await put(200_000, 300_000, whole)).toMatchObject({ status: 204 })
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ status: 'transferring' })
    expect(await put(0, 100_000, whole)).toMatchObject({
      status: 200,
      body: { id, status: 'completed', verified: true, sha256, bytesReceived: 300_000 },
    })
  })

  test('completes, too, when another one has told the digest; it is 204 then', async () => {
    const { id, put } = await begun()
    expect((await put(200_000, 300_000, whole)).status).toBe(204)
    expect((await put(0, 100_000)).status).toBe(204)
    expect((await put(100_000, 200_000)).status).toBe(204)
    expect(await stack.reached(id, 'completed')).toMatchObject({ verified: true, sha256 })
  })

  test('two last ones at once: the file is complete, whoever was told so', async () => {
    const { id, put, complete } = await begun()
    await put(0, 100_000)
    const answers = await Promise.all([put(100_000, 200_000, whole), put(200_000, 300_000, whole)])
    const statuses = answers.map(({ status }) => status)
    expect(statuses).toContain(200)
    expect(statuses.every((status) => status === 200 || status === 204)).toBe(true)
    expect(await complete(id, 1, content.byteLength, sha256)).toMatchObject({ status: 200 })
  })

  test('again, after a lost answer, is answered the same', async () => {
    const { id, put } = await begun()
    await put(0, 200_000)
    const first = await put(200_000, 300_000, whole)
    const second = await put(200_000, 300_000, whole)
    expect(second).toMatchObject({ status: 200, body: { ...first.body, bytesResent: 100_000 } })
    expect((await put(0, 200_000, whole)).status).toBe(200)
    expect(await put(200_000, 300_000)).toMatchObject({ status: 410, body: { code: 'job-gone' } })
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'completed', bytesReceived: 300_000 })
  })

  test('that was durable before the server was killed completes when it is sent again', async () => {
    const { id, put } = await begun()
    await put(0, 300_000)
    await stack.restart('SIGKILL')
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ status: 'transferring' })
    // Where servers share their stores, the one that was killed is waited for a while before another verifies.
    expect([200, 202]).toContain((await put(0, 300_000, whole)).status)
    expect(await stack.reached(id, 'completed')).toMatchObject({ verified: true, sha256 })
  })

  test('with another digest than that of what lies in the store means a new attempt', async () => {
    const { id, put } = await begun()
    expect(await put(0, 300_000, other)).toMatchObject({ status: 409, body: { code: 'attempt-superseded' } })
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ status: 'queued', reason: 'damaged' })
  })

  test('is of what its own session told since begin: neither of an older one, nor of a try before, nor of a refused chunk', async () => {
    const superseded = await begun()
    expect((await superseded.put(200_000, 300_000, other)).status).toBe(204)
    const next = await rawAgent(stack, superseded.clientId)

    const retried = await begun()
    expect((await retried.put(200_000, 300_000, other)).status).toBe(204)
    expect((await retried.fail(retried.id, 'io-error', 1)).status).toBe(200)
    expect((await stack.post(`/downloads/${retried.id}/retry`)).status).toBe(202)
    expect((await retried.begin(retried.id, 300_000)).body).toMatchObject({ attempt: 1, received: [{}] })

    const refused = await begun()
    expect((await refused.put(0, 200_000, { ...other, 'content-digest': formatDigest(sha256) })).status).toBe(400)
    expect((await refused.put(200_000, 300_000)).status).toBe(204)

    for (const { id, put, session, complete } of [{ ...superseded, ...next }, retried, refused]) {
      expect((await put(0, 200_000, { 'agent-session': session })).status).toBe(204)
      expect(await stack.get(`/jobs/${id}`)).toMatchObject({ status: 'transferring' })
      expect(await complete(id, 1, 300_000, sha256)).toMatchObject({ status: 200, body: { verified: true, sha256 } })
    }
  })

  test('with a digest that is none is refused before its body is read', async () => {
    const { id, put } = await begun()
    const refused = await put(0, 300_000, { 'repr-digest': 'sha-256=:AAAA:' })
    expect(refused).toMatchObject({ status: 400, body: { code: 'digest-invalid', field: 'Repr-Digest' } })
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [] })
  })
})
