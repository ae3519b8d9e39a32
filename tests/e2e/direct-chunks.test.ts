import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { directByHand, putTo } from '../helpers/direct-by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { sharedStores, type SharedStores } from '../helpers/shared-stores.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const PIECE = 64 * 1024
const content = randomBytes(3 * PIECE)

describe('chunks put into the store by hand', () => {
  let stack: Stack
  let stores: SharedStores

  beforeAll(async () => {
    stores = await sharedStores()
    stack = await startStack({ DIRECT_UPLOADS: 'on', LOG_LEVEL: 'debug' }, { stores })
  }, 120_000)
  afterAll(async () => {
    const { output } = stack.server
    await stack.stop()
    expect(output()).not.toMatch(/X-Amz-|Signature/)
    await stores.remove()
  }, 60_000)

  const byHand = () => directByHand(stack, stores.place, content, PIECE)

  test('by hand: offered, put, committed, and completed with the last', async () => {
    const job = await byHand()
    expect(job.begun['direct']).toBe(true)
    for (const at of [2, 0]) expect((await job.commit(at, await job.put(at))).status).toBe(204)
    const tag = await job.put(1)
    const last = await job.commit(1, tag, { sha256: sha256Of(content) })
    expect(last).toMatchObject({
      status: 200,
      body: { status: 'completed', verified: true, bytesReceived: content.length },
    })
    // A lost answer is answered the same.
    expect(await job.commit(1, tag, { sha256: sha256Of(content) })).toMatchObject({ status: 200 })
    expect(await job.commit(1, tag)).toMatchObject({ status: 410, body: { code: 'job-gone', attempt: 1 } })
    // They go after the file has its name.
    await until('the chunks to be gone', async () => (await job.objects()).length === 0)
  })

  test('the digest told before the last chunk completes with it, too', async () => {
    const job = await byHand()
    await job.commit(0, await job.put(0), { sha256: sha256Of(content) })
    for (const at of [1, 2]) expect((await job.commit(at, await job.put(at))).status).toBe(204)
    expect(await stack.ended(job.id, 30_000)).toMatchObject({ status: 'completed', verified: true })
  })

  test('the store takes the very bytes, once', async () => {
    const job = await byHand()
    const { body } = await job.offer(0)
    const right = content.subarray(0, PIECE)
    const wrong = Buffer.from(right)
    wrong[5] = (wrong[5] ?? 0) ^ 1
    expect((await putTo(body, wrong)).status).toBe(400)
    const { 'Content-Length': _, ...headers } = body['headers']
    expect((await putTo({ ...body, headers }, right.subarray(1))).status).toBe(403)
    expect((await job.commit(0, body['tag'])).body['code']).toBe('digest-mismatch')
    const longer = {
      ...body,
      headers: { ...body['headers'], 'Content-MD5': createHash('md5').update(wrong).digest('base64') },
    }
    expect((await putTo(longer, wrong)).status).toBe(403)
    expect((await putTo(body, right)).status).toBe(200)
    expect((await putTo(body, right)).status).toBe(412)
    expect((await job.commit(0, body['tag'])).status).toBe(204)
  })

  test('a commit may be repeated; what is sent twice is there once', async () => {
    const job = await byHand()
    const tag = await job.put(0)
    const second = await job.put(0)
    for (let times = 0; times < 3; times += 1) expect((await job.commit(0, tag)).status).toBe(204)
    expect((await job.offer(0)).status).toBe(204)
    expect((await job.commit(0, second)).status).toBe(204)
    expect(await job.objects()).toEqual([expect.stringContaining(tag)])
    expect(await stack.get(`/downloads/${job.id}`)).toMatchObject({ bytesReceived: PIECE, bytesResent: PIECE })
  })

  test('what is counted stays in the store, whatever is said of it later', async () => {
    const job = await byHand()
    const tag = await job.put(0)
    await job.commit(0, tag)
    expect(await job.commit(0, tag, { digest: sha256Of(Buffer.from('other')) })).toMatchObject({ status: 412 })
    expect(await job.commit(0, tag, { end: PIECE - 1 })).toMatchObject({ status: 400 })
    expect(await job.objects()).toEqual([expect.stringContaining(tag)])
    for (const at of [1, 2]) await job.commit(at, await job.put(at))
    expect((await job.complete(job.id, 1, content.length, sha256Of(content))).body).toMatchObject({ verified: true })
  })

  test('a tag opens nothing but the very chunk that it was made for', async () => {
    const [job, other] = [await byHand(), await byHand()]
    const tag = await other.put(0)
    expect((await job.commit(0, tag)).body['code']).toBe('digest-mismatch')
    expect((await other.commit(1, tag)).body['code']).toBe('digest-mismatch')
    for (const forged of ['0123456789abcdef', '../../../../files/x', `${tag}/../x`, ''])
      expect((await job.commit(0, forged)).status).toBe(400)
    expect((await other.commit(0, tag)).status).toBe(204)
  })

  test('the same is refused as of a chunk by way of the server', async () => {
    const job = await byHand()
    const tag = await job.put(1)
    await job.commit(1, tag)
    const conflict = { status: 409, body: { code: 'range-conflict', received: [{ start: PIECE, end: 2 * PIECE }] } }
    expect(await job.offer(1, { end: 3 * PIECE })).toMatchObject(conflict)
    expect(await job.offer(1, { digest: sha256Of(Buffer.from('other')) })).toMatchObject({ status: 412 })
    for (const wrong of [{ end: content.length + 1 }, { end: 0 }])
      expect((await job.offer(0, wrong)).body['code']).toBe('range-invalid')
    expect((await job.offer(0, { attempt: 2 })).body['code']).toBe('attempt-superseded')
    expect((await job.offer(0, { md5: 'no' })).body['code']).toBe('invalid')
    expect((await job.offer(0, {}, {})).body['code']).toBe('session-required')

    const late = await job.put(0)
    const newer = await rawAgent(stack, job.clientId)
    expect((await job.offer(0)).body['code']).toBe('session-superseded')
    expect((await job.commit(0, late)).body['code']).toBe('session-superseded')
    // The newer session of the same site goes on with what is there.
    expect((await job.commit(0, late, {}, newer.headers)).status).toBe(204)
    await fetch(`${stack.url}/downloads/${job.id}`, { method: 'DELETE' })
    expect((await job.offer(2, {}, newer.headers)).body).toMatchObject({ code: 'job-gone', reason: 'cancelled' })
  })

  test('both ways lead to one file', async () => {
    const job = await byHand()
    const wayOfServer = await stack.get(`/jobs/${job.id}`)
    expect(wayOfServer).toMatchObject({ received: [] })
    await job.commit(0, await job.put(0))
    const byServer = await fetch(`${stack.url}/jobs/${job.id}/file`, {
      method: 'PUT',
      headers: {
        ...job.headers,
        attempt: '1',
        'content-range': `bytes ${PIECE}-${content.length - 1}/${content.length}`,
        'content-digest': `sha-256=:${createHash('sha256').update(content.subarray(PIECE)).digest('base64')}:`,
      },
      body: content.subarray(PIECE),
    })
    expect(byServer.status).toBe(204)
    const { body } = await job.complete(job.id, 1, content.length, sha256Of(content))
    expect(body).toMatchObject({ status: 'completed', verified: true })
  })

  test('content by way of the store: where it is asked for, and completed', async () => {
    const job = await byHand()
    const address = `${stack.url}/downloads/${job.id}/content?redirect=true`
    for (const at of [0, 1, 2]) await job.commit(at, await job.put(at))
    await job.complete(job.id, 1, content.length, sha256Of(content))

    const answer = await fetch(address, { redirect: 'manual' })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([307, 'no-store'])
    expect(await answer.text()).toBe('')
    expect(answer.headers.get('location')).toContain(stores.place.endpoint)
    const followed = await fetch(address, { headers: { range: 'bytes=10-19' } })
    expect(followed.headers.get('content-disposition')).toContain('attachment')
    expect(Buffer.from(await followed.arrayBuffer())).toEqual(content.subarray(10, 20))

    for (const plain of ['', '?redirect=false']) {
      const direct = await fetch(`${stack.url}/downloads/${job.id}/content${plain}`, { redirect: 'manual' })
      expect([direct.status, sha256Of(Buffer.from(await direct.arrayBuffer()))]).toEqual([200, sha256Of(content)])
    }
    expect((await fetch(`${address}x`)).status).toBe(400)
    expect((await fetch(address, { method: 'HEAD', redirect: 'manual' })).status).toBe(200)
    await fetch(`${stack.url}/downloads/${job.id}/content`, { method: 'DELETE' })
    expect((await fetch(address, { redirect: 'manual' })).status).toBe(410)
  })
})
