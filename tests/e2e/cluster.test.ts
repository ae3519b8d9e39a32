import { randomBytes, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { halfPut } from '../helpers/by-hand.ts'
import { putChunk } from '../helpers/chunks.ts'
import { startCluster, type Cluster } from '../helpers/cluster.ts'
import { sha256Of } from '../helpers/folder.ts'
import { listenTo } from '../helpers/listening.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { rawAgent, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
/** How late news of another server may be, in ms: a machine that does much else may be late, too. */
const SOON = 5_000
/** A server that does not answer any more is believed dead after 15 s; those who take over look every 5 s. */
const TAKEN_OVER = 60_000

describe('any server serves any request', () => {
  let cluster: Cluster
  let a: Stack
  let b: Stack
  let c: Stack
  const content = randomBytes(300_000)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    cluster = await startCluster()
    ;[a, b, c] = cluster.servers
  })
  afterAll(() => cluster.stop())

  /** A client in a session that began at `a`, and a download asked for at `b`. */
  const asked = async (ask: Json = {}) => {
    const clientId = `client-${randomUUID()}`
    const { session, headers } = await rawAgent(a, clientId)
    const { id } = await b.ask({ clientId, ...ask })
    const begin = (at: Stack, size = content.byteLength) =>
      at.post(`/jobs/${id}/begin`, { source: 'v1', size }, headers)
    const put = (at: Stack, start: number, end: number, bytes: Buffer<ArrayBuffer> = content) =>
      putChunk(at, id, { session, attempt: 1, start, bytes: bytes.subarray(start, end), total: bytes.byteLength })
    const complete = (at: Stack, bytes = content) =>
      at.post(`/jobs/${id}/complete`, { attempt: 1, size: bytes.byteLength, sha256: sha256Of(bytes) }, headers)
    const poll = async (at: Stack, seen: number, wait = 60) => {
      const path = `${at.url}/jobs?client=${clientId}&seen=${seen}`
      const response = await fetch(path, { headers: { ...headers, prefer: `wait=${wait}` } })
      return { status: response.status, body: response.status === 204 ? {} : ((await response.json()) as Json) }
    }
    return { clientId, id: String(id), session, headers, begin, put, complete, poll }
  }
  const contentOf = async (at: Stack, id: string): Promise<Buffer> =>
    Buffer.from(await (await fetch(`${at.url}/downloads/${id}/content`)).arrayBuffer())
  const cancel = (at: Stack, id: string) => fetch(`${at.url}/downloads/${id}`, { method: 'DELETE' })

  test('events are the same at every server, in the same order, and who listened to one goes on at another', async () => {
    const listening = await Promise.all(cluster.servers.map((server) => listenTo(server)))
    const { id, begin } = await asked()
    await begin(c)
    await cancel(a, id)
    const isEnd = (event: Json): boolean => event['downloadId'] === id && event['type'] === 'download.cancelled'
    const [atA, atB, atC] = await Promise.all(listening.map((one) => one.has('its end', isEnd)))
    expect(atA!.map(({ type }) => type)).toEqual([
      'client.connected',
      'download.queued',
      'download.begun',
      'download.cancelled',
    ])
    expect([atB, atC]).toEqual([atA, atA])
    for (const one of listening) one.stop()
    const again = await listenTo(b, '', { 'last-event-id': atA![1]!['id'] })
    expect(await again.has('its end', isEnd)).toEqual(atA!.slice(2))
    again.stop()
  })

  test('a poll that one holds hears of what another was asked for', async () => {
    const { clientId, poll } = await asked()
    const { rev } = (await poll(a, 0)).body
    const held = poll(a, rev)
    await until('the poll to be held', async () => (await openPolls(a)) > 0)
    const before = performance.now()
    const { id } = await c.ask({ clientId, path: 'more' })
    expect(await held).toMatchObject({ status: 200, body: { rev: rev + 1, jobs: [{}, { id }] } })
    expect(performance.now() - before).toBeLessThan(SOON)
  })

  test('begun at one, chunks at three, completed at another, read from each', async () => {
    const { id, begin, put, complete } = await asked()
    expect((await begin(c)).body).toMatchObject({ attempt: 1, received: [] })
    const answers = await Promise.all([put(c, 200_000, 300_000), put(a, 0, 100_000), put(b, 100_000, 200_000)])
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204])
    expect((await put(b, 0, 100_000)).status).toBe(204)
    expect((await begin(a)).body).toMatchObject({ received: [{ start: 0, end: 300_000 }] })
    expect([200, 202]).toContain((await complete(b)).status)
    expect(await c.reached(id, 'completed')).toMatchObject({ sha256, verified: true, bytesResent: 100_000 })
    for (const server of cluster.servers) expect((await contentOf(server, id)).equals(content)).toBe(true)
    await until('its part to be gone', async () => (await a.parts()).every((name) => !name.startsWith(id)))
  })

  test('who reads at one gets what arrives at the others, and the end when it is verified', async () => {
    const { id, begin, put, complete } = await asked()
    await begin(a)
    await put(a, 0, 100_000)
    const response = await fetch(`${c.url}/downloads/${id}/content`)
    const reader = response.body!.getReader()
    let length = 0
    const hash: Uint8Array[] = []
    const done = (async () => {
      for (let got = await reader.read(); !got.done; got = await reader.read()) {
        length += got.value.byteLength
        hash.push(got.value)
      }
    })()
    await until('the first bytes', async () => length === 100_000)
    await put(b, 100_000, 200_000)
    await until('those of another server', async () => length === 200_000, SOON)
    await put(a, 200_000, 300_000)
    await complete(b)
    await done
    expect(Buffer.concat(hash).equals(content)).toBe(true)
  })

  test('overlapping chunks at two servers: one lands, the other is told what is received', async () => {
    const { begin, put } = await asked()
    await begin(a)
    const answers = await Promise.all([put(a, 0, 200_000), put(b, 100_000, 300_000)])
    expect(answers.map(({ status }) => status).toSorted((x, y) => x - y)).toEqual([204, 409])
  })

  test('the same chunk at three servers counts once', async () => {
    const { id, begin, put } = await asked()
    await begin(a)
    const answers = await Promise.all(cluster.servers.map((server) => put(server, 0, 300_000)))
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204])
    expect(await c.get(`/downloads/${id}`)).toMatchObject({ bytesReceived: 300_000, bytesResent: 600_000 })
  })

  test('cancelled at one, an upload at another ends', async () => {
    const { id, session, begin } = await asked()
    await begin(a)
    const half = await halfPut(a, { id, session }, [0, 300_000], 300_000)
    const before = performance.now()
    expect((await cancel(b, id)).status).toBe(200)
    await half.answered(410)
    expect(performance.now() - before).toBeLessThan(SOON)
    half.socket.destroy()
    await until('its part to be gone', async () => (await a.parts()).every((name) => !name.startsWith(id)))
  })

  test('an idempotency key repeats safely at another server, at the same time, too', async () => {
    const { clientId } = await asked()
    const key = { 'idempotency-key': randomUUID() }
    const ask = (at: Stack) => at.post('/downloads', { clientId, path: 'once' }, key)
    const answers = await Promise.all(cluster.servers.map(ask))
    expect(new Set(answers.map(({ body }) => body['id'])).size).toBe(1)
    expect((await ask(c)).body['id']).toBe(answers[0]!.body['id'])
  })

  test('a session that another server has superseded sends nothing more, and its poll ends', async () => {
    const { clientId, begin, put, poll } = await asked()
    await begin(a)
    const { rev } = (await poll(a, 0)).body
    const held = poll(a, rev)
    await until('the poll to be held', async () => (await openPolls(a)) > 0)
    const before = performance.now()
    await rawAgent(b, clientId)
    expect(await held).toMatchObject({ status: 409, body: { code: 'session-superseded' } })
    expect(performance.now() - before).toBeLessThan(SOON)
    expect(await put(a, 0, 100_000)).toMatchObject({ status: 409, body: { code: 'session-superseded' } })
  })

  test('who polls at one is online at the others, which get files of it', async () => {
    const { clientId, poll, headers, session } = await asked({ path: 'first' })
    const { rev } = (await poll(a, 0)).body
    for (const server of cluster.servers)
      expect(await server.get(`/clients/${clientId}`)).toMatchObject({ status: 'online' })
    const held = poll(a, rev)
    const got = fetch(`${c.url}/clients/${clientId}/files/straight.txt?wait=60`)
    const { jobs } = (await held).body
    const { id } = jobs.find(({ path }: Json) => path === 'straight.txt')
    await b.post(`/jobs/${id}/begin`, { source: 'v1', size: content.byteLength }, headers)
    await putChunk(b, id, { session, attempt: 1, start: 0, bytes: content, total: content.byteLength })
    await b.post(`/jobs/${id}/complete`, { attempt: 1, size: content.byteLength, sha256 }, headers)
    expect(Buffer.from(await (await got).arrayBuffer()).equals(content)).toBe(true)
  })

  test('who waits for a download at one hears of its end at another', async () => {
    const { id, headers } = await asked()
    const waiting = fetch(`${c.url}/downloads/${id}`, { headers: { prefer: 'wait=60' } })
    const before = performance.now()
    await b.post(`/jobs/${id}/fail`, { code: 'denied' }, headers)
    expect(await (await waiting).json()).toMatchObject({ status: 'failed', reason: 'denied' })
    expect(performance.now() - before).toBeLessThan(SOON)
  })

  test('what a server was at that is killed goes on at the others: a whole file, and a verification', async () => {
    const bytes = randomBytes(24 * MiB)
    const many = await asked()
    await many.begin(a, bytes.byteLength)
    for (let at = 0; at < bytes.byteLength; at += 4 * MiB)
      expect((await many.put(a, at, at + 4 * MiB, bytes)).status).toBe(204)
    const clientId = `client-${randomUUID()}`
    await fetch(`${a.url}/jobs?client=${clientId}`)
    const { id } = await b.ask({ clientId })
    const upload = request(`${a.url}/jobs/${id}/file`, { method: 'PUT', headers: { 'content-length': 9 * MiB } })
    upload.on('error', () => undefined).write(content)
    await until('it to begin', async () => (await b.get(`/downloads/${id}`))['status'] === 'transferring')
    await a.server.kill('SIGKILL')

    // The server that hashed while the chunks came is believed to be there for a while.
    const early = await many.complete(b, bytes)
    expect(early).toMatchObject({ status: 202, body: { status: 'verifying' } })
    const statusOf = async (one: string): Promise<string> => (await c.get(`/downloads/${one}`))['status']
    await until('it to be verified', async () => (await statusOf(many.id)) === 'completed', TAKEN_OVER)
    expect(await many.complete(c, bytes)).toMatchObject({ status: 200, body: { verified: true, attempt: 1 } })
    expect((await contentOf(b, many.id)).equals(bytes)).toBe(true)

    await until('the other to be asked for again', async () => (await statusOf(id)) === 'queued', TAKEN_OVER)
    await a.restart()
    const again = await fetch(`${a.url}/jobs/${id}/file`, { method: 'PUT', body: content })
    expect([again.status, await again.json()]).toMatchObject([200, { status: 'completed', sha256, attempt: 2 }])
    await until('no parts to be left', async () => (await a.parts()).every((name) => !name.startsWith(id)))
  }, 240_000)
})
