import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatDigest } from '../../shared/digest.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { putChunk } from '../helpers/chunks.ts'
import { sha256Of } from '../helpers/folder.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { testWith } from '../helpers/needs.ts'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)

// Content: as it arrives, afterwards, and never a short file that looks whole.
describe('content', () => {
  let stack: Stack
  const content = randomBytes(1_000_000)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const begun = async () => {
    const source = { path: '/srv/till export.csv', modified: '2026-01-02T03:04:05.000Z' }
    const job = await beginByHand(stack, content, { path: 'x/till export.csv' }, source)
    const finish = async () => {
      await job.put(0, content.byteLength)
      await job.complete(job.id, 1, content.byteLength, sha256)
    }
    return { ...job, finish, url: `${stack.url}/downloads/${job.id}/content` }
  }

  /** A reader that counts what has come. */
  const follow = async (url: string) => {
    const response = await fetch(url)
    const reader = response.body!.getReader()
    const pieces: Uint8Array[] = []
    const done = (async () => {
      for (;;) {
        const { value, done: ended } = await reader.read()
        if (ended) return Buffer.concat(pieces)
        pieces.push(value)
      }
    })()
    done.catch(() => undefined)
    return { response, done, length: () => pieces.reduce((sum, piece) => sum + piece.byteLength, 0) }
  }

  test('streams what is contiguous while it arrives, and holds the last bytes back until verified', async () => {
    const { id, put, complete, url } = await begun()
    await put(0, 100_000)
    await put(200_000, 300_000)
    const reader = await follow(url)
    expect(reader.response.headers.get('content-length')).toBe('1000000')
    await until('the first bytes', async () => reader.length() === 100_000)
    await put(100_000, 200_000)
    await until('the gap to close', async () => reader.length() === 300_000)
    await put(300_000, 1_000_000)
    await until('all but the last', async () => reader.length() === 1_000_000 - 65_536)
    await complete(id, 1, content.byteLength, sha256)
    expect((await reader.done).equals(content)).toBe(true)
  })

  test('breaks off when the download is cancelled: curl exits with an error', async () => {
    const { id, put, url } = await begun()
    await put(0, 500_000)
    const reader = await follow(url)
    const curl = run('curl', ['-sS', '-o', join(stack.folder, 'broken'), url]).catch((error: { code: number }) => error)
    await until('bytes', async () => reader.length() === 500_000)
    await until(
      'curl to have some',
      async () => (await readFile(join(stack.folder, 'broken')).catch(() => Buffer.alloc(0))).byteLength > 0,
    )
    await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    await expect(reader.done).rejects.toThrow()
    expect(await curl).toMatchObject({ code: 18 })
  })

  test('a failure before the first byte has a status of its own', async () => {
    const { id, fail, url } = await begun()
    const held = fetch(url)
    await fail(id, 'not-found', 1)
    const response = await held
    expect([response.status, await response.json()]).toMatchObject([404, { code: 'not-found' }])
  })

  test('a whole file sent with curl -T is read while it arrives, too', async () => {
    const clientId = `client-${randomUUID()}`
    await fetch(`${stack.url}/jobs?client=${clientId}`)
    const { id } = await stack.ask({ clientId })
    const whole = randomBytes(9 * 1024 * 1024)
    const upload = request(`${stack.url}/jobs/${id}/file`, {
      method: 'PUT',
      headers: { 'content-length': whole.byteLength },
    })
    const answered = new Promise<number | undefined>((resolve) =>
      upload.once('response', (answer) => resolve(answer.statusCode)),
    )
    upload.write(whole.subarray(0, 5_000_000))
    const reader = await follow(`${stack.url}/downloads/${id}/content`)
    await until('the first chunk', async () => reader.length() === 4 * 1024 * 1024)
    upload.end(whole.subarray(5_000_000))
    expect((await reader.done).equals(whole)).toBe(true)
    expect(await answered).toBe(200)
  })

  test('a whole file that is cut off leaves nothing, and the job queued', async () => {
    const clientId = `client-${randomUUID()}`
    await fetch(`${stack.url}/jobs?client=${clientId}`)
    const { id } = await stack.ask({ clientId })
    const upload = request(`${stack.url}/jobs/${id}/file`, { method: 'PUT', headers: { 'content-length': 9_000_000 } })
    upload.on('error', () => undefined)
    upload.write(content)
    await until('the transfer to begin', async () => (await stack.get(`/downloads/${id}`))['status'] === 'transferring')
    upload.destroy()
    await until('the job to be queued', async () => (await stack.get(`/downloads/${id}`))['status'] === 'queued')
    await until('the part to be gone', async () => (await stack.parts()).every((name) => !name.startsWith(id)))
  })

  test('an empty file, asked for before it is there, is an empty answer', async () => {
    const clientId = `client-${randomUUID()}`
    const agent = await rawAgent(stack, clientId)
    const { id } = await stack.ask({ clientId })
    const held = fetch(`${stack.url}/downloads/${id}/content`)
    await agent.begin(id, 0)
    await agent.complete(id, 1, 0, sha256Of(Buffer.alloc(0)))
    const response = await held
    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 0])
  })

  test('a finished file has digest, dates, a name, and ranges', async () => {
    const { id, finish, url } = await begun()
    await finish()
    const response = await fetch(url)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${id}.1"`,
      'repr-digest': formatDigest(sha256),
      'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
      'content-disposition': 'attachment; filename="till export.csv"',
      'cache-control': 'private, no-transform',
      'content-length': '1000000',
      'accept-ranges': 'bytes',
    })
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true)

    const range = await fetch(url, { headers: { range: 'bytes=999990-' } })
    expect([range.status, range.headers.get('content-range')]).toEqual([206, 'bytes 999990-999999/1000000'])
    expect(Buffer.from(await range.arrayBuffer()).equals(content.subarray(999_990))).toBe(true)
    expect((await fetch(url, { headers: { range: 'bytes=0-1', 'if-range': `"${id}.2"` } })).status).toBe(200)
    expect((await fetch(url, { headers: { range: 'bytes=0-1', 'if-range': `"${id}.1"` } })).status).toBe(206)
    const outside = await fetch(url, { headers: { range: 'bytes=1000000-' } })
    expect([outside.status, outside.headers.get('content-range')]).toEqual([416, 'bytes */1000000'])
    // curl -OJ would save the problem under the file's name.
    expect([outside.headers.get('content-disposition'), outside.headers.get('etag')]).toEqual([null, null])
    expect((await fetch(url, { headers: { 'if-none-match': `"${id}.1"`, 'cache-control': 'max-age=0' } })).status).toBe(
      304,
    )
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), head.headers.get('accept-ranges')]).toEqual([
      200,
      '1000000',
      'bytes',
    ])
  })

  test('after a second attempt a range needs If-Range: curl -C - could join two versions', async () => {
    const { id, headers, session, complete, url } = await begun()
    await stack.post(`/jobs/${id}/fail`, { code: 'io-error', attempt: 1 }, headers)
    await stack.post(`/downloads/${id}/retry`)
    await stack.post(`/jobs/${id}/begin`, { source: 'v2', size: content.byteLength }, headers)
    await putChunk(stack, id, { session, attempt: 2, start: 0, bytes: content, total: content.byteLength })
    await complete(id, 2, content.byteLength, sha256)
    expect((await fetch(url, { headers: { range: 'bytes=0-1' } })).status).toBe(200)
    expect((await fetch(url, { headers: { range: 'bytes=0-1', 'if-range': `"${id}.2"` } })).status).toBe(206)
  })

  test('a removed file is gone, its record stays, and its name is not given again', async () => {
    const { id, finish, url } = await begun()
    const early = await fetch(url, { method: 'DELETE' })
    expect([early.status, await early.json()]).toMatchObject([409, { code: 'not-finished' }])
    await finish()
    const name = String((await stack.get(`/downloads/${id}`))['filePath'])
      .split('/')
      .at(-1)
    expect(await stack.files()).toContain(name)
    const removed = await fetch(url, { method: 'DELETE' })
    expect(await removed.json()).toMatchObject({ status: 'completed', filePath: null, sha256 })
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(200)
    expect(await stack.files()).not.toContain(name)
    const gone = await fetch(url)
    expect([gone.status, await gone.json()]).toMatchObject([410, { code: 'content-removed' }])
    const cancel = await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    expect([cancel.status, await cancel.json()]).toMatchObject([409, { code: 'already-finished' }])
  })

  test('a file taken from under the server is told, not served empty', async () => {
    const { id, finish, url } = await begun()
    await finish()
    await stack.lose(await stack.get(`/downloads/${id}`))
    const gone = await fetch(url)
    expect([gone.status, await gone.json()]).toMatchObject([410, { code: 'content-removed' }])
  })

  test('a file straight through: no begin in time is 504, an offline client 503, and HEAD never queues', async () => {
    const clientId = `client-${randomUUID()}`
    const agent = await rawAgent(stack, clientId)
    const url = `${stack.url}/clients/${clientId}/files/some/file.txt`
    const head = await fetch(url, { method: 'HEAD' })
    expect([head.status, (await stack.get(`/downloads?client=${clientId}`))['count']]).toEqual([404, 0])
    const late = await fetch(`${url}?wait=0`)
    const problem = (await late.json()) as { code: string; id: string }
    expect([late.status, problem.code]).toEqual([504, 'begin-timeout'])
    // Asked again it joins the download that is open.
    const joined = fetch(url)
    await agent.begin(problem.id, content.byteLength)
    await putChunk(stack, problem.id, {
      session: agent.session,
      attempt: 1,
      start: 0,
      bytes: content,
      total: content.byteLength,
    })
    await agent.complete(problem.id, 1, content.byteLength, sha256)
    expect(Buffer.from(await (await joined).arrayBuffer()).equals(content)).toBe(true)
    expect((await stack.get(`/downloads?client=${clientId}`))['count']).toBe(1)
  })

  test('readers that go away leave no file open, and HEAD opens none', async () => {
    const { id, put, clientId, url } = await begun()
    await put(0, 500_000)
    for (let round = 0; round < 20; round += 1) {
      const leaving = new AbortController()
      const response = await fetch(url, { signal: leaving.signal })
      leaving.abort()
      await response.arrayBuffer().catch(() => undefined)
      await fetch(`${stack.url}/api/download/${clientId}`, { method: 'HEAD' })
    }
    await until('the descriptors to be closed', async () => {
      const folder = `/proc/${stack.server.pid}/fd`
      const open = await readdir(folder).catch(() => [])
      const targets = await Promise.all(open.map((fd) => readlink(join(folder, fd)).catch(() => '')))
      return targets.every((target) => !target.includes(id))
    })
    expect((await stack.get(`/downloads?client=${clientId}`))['count']).toBe(1)
  })

  testWith({ own: true }, 'an agent whose poll is cut off is offline a few seconds later', async () => {
    const clientId = `client-${randomUUID()}`
    const agent = await rawAgent(stack, clientId)
    const { rev } = await stack.get(`/jobs?client=${clientId}&seen=0`, agent.headers)
    const poll = new AbortController()
    const headers = { ...agent.headers, prefer: 'wait=60' }
    const aborted = fetch(`${stack.url}/jobs?client=${clientId}&seen=${rev}`, { headers, signal: poll.signal }).catch(
      () => undefined,
    )
    await until('the poll to be held', async () => (await openPolls(stack)) === 1)
    expect(await stack.get(`/clients/${clientId}`)).toMatchObject({ status: 'online' })
    poll.abort()
    await aborted
    await until('the server to notice', async () => (await openPolls(stack)) === 0)
    // Who asks before that is told as soon as it is known, and not after the whole wait.
    const asked = await fetch(`${stack.url}/clients/${clientId}/files/early?wait=300`)
    expect([asked.status, await asked.json()]).toMatchObject([503, { code: 'client-offline' }])
    await until(
      'the client to be offline',
      async () => (await stack.get(`/clients/${clientId}`))['status'] === 'offline',
    )
    const refused = await fetch(`${stack.url}/clients/${clientId}/files/x`)
    expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'client-offline' }])
    expect(refused.headers.get('retry-after')).toBe('30')
  })
})
