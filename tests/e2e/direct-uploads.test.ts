import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import type { Running } from '../helpers/process.ts'
import type { S3Place } from '../helpers/s3.ts'
import { sharedLacking, sharedStores } from '../helpers/shared-stores.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'

const MiB = 1024 * 1024
const lacks = sharedLacking()
const describeShared = lacks === undefined ? describe : describe.skip

/** The whole of which the tests by hand send pieces. */
const content = randomBytes(3 * 64 * 1024)
const PIECE = 64 * 1024

describeShared(`chunks straight to the store${lacks === undefined ? '' : ` (${lacks})`}`, () => {
  let stack: Stack
  let place: S3Place
  /** The ways from the site to the store, and to the server. */
  let toStore: Proxy
  let toServer: Proxy
  const agents: Running[] = []

  beforeAll(async () => {
    const stores = await sharedStores()
    place = stores.place
    toStore = await startProxy(place.endpoint)
    const own = { DIRECT_UPLOADS: 'on', S3_PUBLIC_ENDPOINT: toStore.url, LOG_LEVEL: 'debug' }
    stack = await startStack({ ...stores.env, ...own })
    toServer = await startProxy(stack.url)
  }, 120_000)
  afterEach(async () => {
    toStore.welcome()
    toStore.slow(Infinity)
    await Promise.all(agents.splice(0).map((agent) => agent.kill('SIGKILL')))
  })
  afterAll(async () => {
    const { output } = stack.server
    await stack.stop()
    expect(output()).not.toMatch(/X-Amz-|Signature/)
    await Promise.all([toStore.close(), toServer.close()])
    await place.remove()
  }, 60_000)

  const startAgent = async (id: string, file: string): Promise<Running> => {
    const args = ['--server', toServer.url, '--file', file]
    const agent = await stack.online(id, args, { LOG_LEVEL: 'debug' })
    agents.push(agent)
    return agent
  }

  const write = async (name: string, size: number): Promise<{ file: string; sha256: string }> => {
    const bytes = randomBytes(size)
    const file = join(stack.folder, name)
    await writeFile(file, bytes)
    return { file, sha256: sha256Of(bytes) }
  }

  const completed = async (id: string, sha256: string): Promise<Json> => {
    const download = await stack.ended(id, 120_000)
    expect(download).toMatchObject({ status: 'completed', verified: true, sha256 })
    const fetched = await fetch(`${stack.url}/downloads/${id}/content`)
    expect(sha256Of(Buffer.from(await fetched.arrayBuffer()))).toBe(sha256)
    return download
  }

  const expectNoSecret = ({ output }: Running): void => expect(output()).not.toMatch(/X-Amz-|Signature/)

  test('a file: its bytes go to the store, and hardly any to the server', async () => {
    const { file, sha256 } = await write('whole.bin', 40 * MiB)
    const agent = await startAgent('whole', file)
    const before = { server: toServer.sent(), store: toStore.sent() }
    const { id } = await stack.ask({ clientId: 'whole' })
    const { bytesReceived, bytesResent } = await completed(id, sha256)
    expect({ bytesReceived, bytesResent }).toEqual({ bytesReceived: 40 * MiB, bytesResent: 0 })
    expect(toStore.sent() - before.store).toBeGreaterThan(40 * MiB)
    expect(toServer.sent() - before.server).toBeLessThan(MiB)
    expect(agent.output()).not.toContain('by way of the server')
    expectNoSecret(agent)
  }, 120_000)

  test('the agent and the server are killed: it goes on where it was', async () => {
    const { file, sha256 } = await write('killed.bin', 24 * MiB)
    toStore.slow(6 * MiB)
    const agent = await startAgent('killed', file)
    const { id } = await stack.ask({ clientId: 'killed' })
    const some = async (bytes: number): Promise<void> => {
      for (let etag = ''; ;) {
        const answer = await fetch(`${stack.url}/downloads/${id}`, {
          headers: { prefer: 'wait=5', 'if-none-match': etag },
        })
        etag = answer.headers.get('etag') ?? ''
        if (answer.status === 200 && ((await answer.json()) as Json)['bytesReceived'] >= bytes) return
      }
    }
    await some(MiB)
    await agent.kill('SIGKILL')
    await stack.restart('SIGKILL')
    const again = await startAgent('killed', file)
    await some(6 * MiB)
    await stack.restart('SIGKILL')
    toStore.slow(Infinity)
    const { attempt } = await completed(id, sha256)
    expect(attempt).toBe(1)
    expectNoSecret(agent)
    expectNoSecret(again)
  }, 180_000)

  test('what is damaged on the way is refused by the store, and sent again', async () => {
    const { file, sha256 } = await write('damaged.bin', 8 * MiB)
    const agent = await startAgent('damaged', file)
    toStore.damage(3)
    const { id } = await stack.ask({ clientId: 'damaged' })
    await completed(id, sha256)
    expect(toStore.damaged()).toBeGreaterThan(0)
    expect(agent.output()).toContain('it arrived damaged')
  }, 120_000)

  test('a site that does not reach the store sends by way of the server, and says so once', async () => {
    const { file, sha256 } = await write('walled.bin', 8 * MiB)
    const agent = await startAgent('walled', file)
    toStore.refuse()
    const before = toServer.sent()
    const { id } = await stack.ask({ clientId: 'walled' })
    await completed(id, sha256)
    expect(toServer.sent() - before).toBeGreaterThan(8 * MiB)
    expect(agent.output().split('goes by way of the server').length).toBe(2)
    expectNoSecret(agent)
  }, 120_000)

  const byHand = async () => {
    const job = await beginByHand(stack, content)
    const post = (path: string, body: Json, headers: Record<string, string> = job.headers) =>
      fetch(`${stack.url}/jobs/${job.id}/chunks${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
    const chunk = (at: number, bytes = content.subarray(at * PIECE, (at + 1) * PIECE)) => ({
      attempt: 1,
      start: at * PIECE,
      end: at * PIECE + bytes.length,
      digest: sha256Of(bytes),
    })
    const offer = async (at: number, more: Json = {}, headers?: Record<string, string>) => {
      const md5 = createHash('md5')
        .update(content.subarray(at * PIECE, (at + 1) * PIECE))
        .digest('base64')
      const answer = await post('', { ...chunk(at), md5, ...more }, headers)
      return { status: answer.status, body: (answer.status === 204 ? {} : await answer.json()) as Json }
    }
    const commit = async (at: number, tag: string, more: Json = {}, headers?: Record<string, string>) => {
      const answer = await post('/commit', { ...chunk(at), tag, ...more }, headers)
      return { status: answer.status, body: (answer.status === 204 ? {} : await answer.json()) as Json }
    }
    /** @returns the tag */
    const put = async (at: number): Promise<string> => {
      const { body } = await offer(at)
      const answer = await putTo(body, content.subarray(at * PIECE, (at + 1) * PIECE))
      expect(answer.status).toBe(200)
      return String(body['tag'])
    }
    const objects = async (): Promise<string[]> =>
      (await place.keys()).filter((key) => key.startsWith(`parts/${job.id}.`) && !key.endsWith('/part'))
    return { ...job, offer, commit, put, objects }
  }

  const putTo = ({ url, headers }: Json, body: Buffer<ArrayBuffer>) =>
    fetch(String(url), { method: 'PUT', headers, body })

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
    expect(await job.objects()).toEqual([])
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
    expect(answer.headers.get('location')).toContain(toStore.url)
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
