import { readFile, stat } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Operation } from '../../server/http/operation.ts'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { answerOf, callsOf, type OperationCall } from '../helpers/operations.ts'
import { openPolls } from '../helpers/open-polls.ts'
import { makeRelease } from '../helpers/release.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

/** Everybody is let in; a body that is not of this call is told so. */
function publicAnswerOf({ request, answers }: Operation): [status: number, code: string | undefined] {
  return request === undefined ? [Number(Object.keys(answers)[0]), undefined] : [400, 'invalid']
}

describe('only who belongs', () => {
  let stack: Stack
  /** A download of client B, and everything that can be asked for of it. */
  let downloadId: string
  let calls: OperationCall[]
  let releases: Awaited<ReturnType<typeof temporaryFolder>>

  const enrolment = async (clients: string, more: Json = {}): Promise<string> =>
    String((await stack.post('/enrolments', { clients, ...more })).body['secret'])

  /** An agent of curl: a bearer token of a client. */
  const bearerOf = async (clientId: string): Promise<string> => {
    const enrol = await enrolment(clientId)
    const { body } = await stack.post('/credentials', { clientId }, bearer(enrol))
    return String(body['secret'])
  }

  const tokenOf = async (request: Json): Promise<string> =>
    String((await stack.post('/tokens', { name: 'one', ...request })).body['secret'])

  beforeAll(async () => {
    releases = await temporaryFolder()
    await makeRelease(releases.folder)
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, RELEASES: releases.folder })
    const b = await bearerOf('b')
    const polled = await fetch(`${stack.url}/jobs?client=b`, { headers: bearer(b) })
    expect(polled.status).toBe(204)
    downloadId = (await stack.ask({ clientId: 'b', path: 'report.txt' }))['id']
    calls = callsOf({ downloadId, clientId: 'b' })
  })
  afterAll(async () => {
    await stack.stop()
    await releases.remove()
  })

  test('a stranger is refused everywhere but at the public routes, and where nothing is', async () => {
    for (const call of calls) {
      const { status, code } = await answerOf(stack.url, call)
      const wanted = call.operation.access === 'public' ? publicAnswerOf(call.operation) : [401, 'unauthenticated']
      expect([call.name, status, code]).toEqual([call.name, ...wanted])
    }
    for (const path of ['/nothing', '//health', '/health/x', '/HEALTH/../downloads']) {
      expect([path, (await fetch(stack.url + path)).status]).toEqual([path, 401])
    }
    expect((await fetch(`${stack.url}/downloads`, { headers: bearer('guessed') })).status).toBe(401)
    expect((await fetch(`${stack.url}/downloads`, { headers: { authorization: ADMIN } })).status).toBe(401)
  })

  test("an agent gets 403 or 404 on everything of another client's", async () => {
    const a = await bearerOf('a')
    const reached = calls.filter(({ operation }) => operation.access !== 'public' && operation.access !== 'enrol')
    expect(reached.length).toBeGreaterThan(30)
    for (const call of reached) {
      const { status } = await answerOf(stack.url, call, bearer(a))
      // A body is looked at before whose session it is to be, and it is none.
      expect([call.name, [403, 404, 400].includes(status)]).toEqual([call.name, true])
      if (status === 400) expect(call.name).toBe('POST /sessions')
    }
    const session = { protocol: 1, instance: 'x'.repeat(16), takeover: true, shared: [] }
    const agent = { version: 'test', platform: 'test', hostname: 'test' }
    const asB = await stack.post('/sessions', { ...session, agent, clientId: 'b' }, bearer(a))
    expect([asB.status, asB.body['code']]).toEqual([403, 'not-permitted'])
    const asA = await stack.post('/sessions', { ...session, agent, clientId: 'a' }, bearer(a))
    expect(asA.status).toBe(201)
    expect(await stack.get(`/downloads/${downloadId}`)).toMatchObject({ status: 'queued' })
  })

  test.each([
    ['reader', ['reader']],
    ['operator', ['reader', 'operator', 'content', 'ask-content']],
  ])('the role %s may what it says, and nothing else', async (role, allowed) => {
    const token = await tokenOf({ role })
    for (const call of calls) {
      if (call.operation.access === 'public') continue
      // What is allowed and done would end the download that the others are tried on.
      if (allowed.includes(call.operation.access) && call.method !== 'GET') continue
      if (call.operation.access.endsWith('content') && allowed.includes(call.operation.access)) continue
      const { status } = await answerOf(stack.url, call, bearer(token))
      const wanted = allowed.includes(call.operation.access) ? 200 : 403
      expect([call.name, status]).toEqual([call.name, wanted])
    }
  })

  test('an enrolment token is for its clients, and for so many of them', async () => {
    const enrol = await enrolment('shop_*', { uses: 1 })
    const take = (clientId: string) => stack.post('/credentials', { clientId }, bearer(enrol))
    expect((await take('office')).body['code']).toBe('not-permitted')
    expect((await take('shop_1')).status).toBe(201)
    expect((await take('shop_2')).body['code']).toBe('enrolment-spent')
    const many = await enrolment('shop_*', { uses: 5 })
    const other = await stack.post('/credentials', { clientId: 'shop_1' }, bearer(many))
    expect([other.status, other.body['code']]).toEqual([403, 'not-permitted'])
    expect((await fetch(`${stack.url}/downloads`, { headers: bearer(enrol) })).status).toBe(403)
  })

  test('a token for some clients and paths sees, and asks for, nothing else', async () => {
    const a = await bearerOf('other')
    await fetch(`${stack.url}/jobs?client=other`, { headers: bearer(a) })
    const { id: others } = await stack.ask({ clientId: 'other', path: 'report.txt' })
    const { id: secret } = await stack.ask({ clientId: 'b', path: 'secret.txt' })
    const mine = bearer(await tokenOf({ role: 'operator', clients: ['b*'], paths: ['report*', 'logs/**'] }))
    const listed = (await stack.get('/downloads', mine))['downloads'] as Json[]
    expect(listed.length).toBeGreaterThan(0)
    expect(listed.filter((one) => one['clientId'] !== 'b' || one['path'] !== 'report.txt')).toEqual([])
    for (const hidden of [others, secret]) {
      expect((await stack.get(`/downloads/${hidden}`, mine))['code']).toBe('download-unknown')
    }
    expect((await stack.get('/clients?status=all', mine))['clients'].map((one: Json) => one['id'])).toEqual(['b'])
    expect((await stack.get('/clients/other', mine))['code']).toBe('client-unknown')
    const ask = async (body: Json) => (await stack.post('/downloads', body, mine)).body
    expect(await ask({ clientId: 'b', path: 'logs/today/pos.log' })).toMatchObject({ status: 'queued' })
    expect(await ask({ clientId: 'other', path: 'report.txt' })).toMatchObject({ code: 'client-unknown' })
    for (const path of ['secret.txt', 'logs/../secret.txt', '../report.txt', undefined]) {
      expect([path, (await ask({ clientId: 'b', path }))['code']]).toEqual([path, 'not-permitted'])
    }
    const everybody = await ask({ clientIds: '*', path: 'report.txt' })
    expect(everybody['downloads'].map((one: Json) => one['clientId'])).toEqual(['b'])
  })

  testWith(
    { long: true },
    "a token for some clients is not told whether there is much of another's",
    async () => {
      const mine = bearer(await tokenOf({ role: 'reader', clients: ['a*'] }))
      const listed = () => stack.get('/downloads?client=b&limit=1', mine)
      expect(await listed()).toEqual({ downloads: [], count: 0, next: null })
      const askers = [bearer(await tokenOf({ role: 'operator' })), bearer(await tokenOf({ role: 'operator' }))]
      for (const headers of askers) {
        for (let count = 0; count < 2600; count += 50) {
          const asked = Array.from({ length: 50 }, () =>
            stack.post('/downloads', { clientId: 'b', path: 'x' }, headers),
          )
          for (const { status } of await Promise.all(asked)) expect(status).toBe(202)
        }
      }
      expect(await listed()).toEqual({ downloads: [], count: 0, next: null })
    },
    300_000,
  )

  test('the audit says who asked for what, who fetched it, and what was refused; nothing changes it', async () => {
    const file = join(stack.folder, 'audited.txt')
    const sha256 = await writeRandom(file, 1000)
    await stack.online('audited', ['--file', file], { ENROL_TOKEN: await enrolment('audited') })
    const token = await tokenOf({ name: 'head office', role: 'operator' })
    const { body } = await stack.post('/downloads', { clientId: 'audited' }, bearer(token))
    expect(await stack.reached(body['id'], 'completed')).toMatchObject({ sha256, askedBy: 'head office' })
    expect((await fetch(`${stack.url}/downloads/${body['id']}/content`, { headers: bearer(token) })).status).toBe(200)
    expect((await fetch(`${stack.url}/tokens`, { headers: bearer(token) })).status).toBe(403)
    const { entries } = await stack.get('/audit?actor=token%20head%20office')
    const about = { clientId: 'audited', downloadId: body['id'] }
    const nothing = { clientId: null, downloadId: null }
    expect(entries).toMatchObject([
      { action: 'GET /tokens', status: 403, code: 'not-permitted', ...nothing },
      { action: 'GET /downloads/{id}/content', status: 200, code: null, ...about },
      { action: 'POST /downloads', status: 202, code: null, address: '127.0.0.1', ...about },
    ])
    const { entries: strangers } = await stack.get('/audit?actor=nobody&limit=1')
    expect(strangers).toMatchObject([{ status: 401, code: 'unauthenticated' }])
    for (const change of ['DELETE FROM audit', "UPDATE audit SET actor = 'somebody else'"]) {
      await expect(stack.execute(change)).rejects.toThrow(/append-only/)
    }
  })

  test.each([
    ['/tokens', { name: 'for ever', role: 'reader' }] as const,
    ['/enrolments', { clients: 'ever' }] as const,
  ])('what is to last beyond all dates is refused, and %s goes on listing', async (path, request) => {
    for (const expiresIn of [Number.MAX_SAFE_INTEGER, 1e13, 101 * 365 * 24 * 3600]) {
      const answer = await stack.post(path, { ...request, expiresIn })
      expect([expiresIn, answer.status, answer.body['field']]).toEqual([expiresIn, 400, 'expiresIn'])
    }
    expect((await fetch(stack.url + path, { headers: bearer(ADMIN) })).status).toBe(200)
  })

  test('an idempotency key answers only the token that used it', async () => {
    const key = { 'idempotency-key': 'same' }
    const ask = (token: string) =>
      stack.post('/downloads', { clientId: 'b', path: 'report.txt' }, { ...bearer(token), ...key })
    const one = await tokenOf({ role: 'operator' })
    const two = await tokenOf({ role: 'operator' })
    const first = (await ask(one)).body['id']
    expect((await ask(one)).body['id']).toBe(first)
    expect((await ask(two)).body['id']).not.toBe(first)
  })

  test('an upload in mid-body ends at once when its credential is revoked', async () => {
    const own = bearer(await bearerOf('cut'))
    const agent = { version: 'test', platform: 'test', hostname: 'test' }
    const request = { protocol: 1, clientId: 'cut', instance: 'x'.repeat(16), takeover: true, agent, shared: [] }
    const { session } = (await stack.post('/sessions', request, own)).body
    const { id } = await stack.ask({ clientId: 'cut', path: 'report.txt' })
    const headers = { ...own, 'agent-session': String(session) }
    expect((await stack.post(`/jobs/${id}/begin`, { source: 'v1', size: 1000 }, headers)).status).toBe(200)
    const put = httpRequest(`${stack.url}/jobs/${id}/file`, {
      method: 'PUT',
      headers: {
        ...headers,
        attempt: '1',
        'content-range': 'bytes 0-999/1000',
        'content-length': '1000',
        'chunk-digest': 'crc32=:AAAAAA==:',
      },
    })
    let open = true
    const closed = new Promise((resolve) => put.once('close', resolve)).then(() => (open = false))
    put.on('error', () => undefined)
    put.write(Buffer.alloc(500))
    await until(
      'the upload to be under way',
      async () => put.socket?.bytesWritten !== undefined && put.socket.bytesWritten > 500,
    )
    // The server reads on: what it has not taken would fill the connection.
    put.write(Buffer.alloc(100))
    expect(open).toBe(true)
    const { credentials } = await stack.get('/credentials?client=cut')
    await fetch(`${stack.url}/credentials/${credentials[0].id}`, { method: 'DELETE', headers: bearer(ADMIN) })
    await closed
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ bytesReceived: 0 })
  })

  test('a poll that is held ends at once when its credential is revoked', async () => {
    const b = await bearerOf('revoked')
    const before = await openPolls(stack, bearer(ADMIN))
    const poll = fetch(`${stack.url}/jobs?client=revoked`, { headers: { ...bearer(b), prefer: 'wait=300' } })
    await until('the poll to be held', async () => (await openPolls(stack, bearer(ADMIN))) > before)
    const { credentials } = await stack.get('/credentials?client=revoked')
    await fetch(`${stack.url}/credentials/${credentials[0].id}`, { method: 'DELETE', headers: bearer(ADMIN) })
    expect((await poll).status).toBe(401)
  })
})

describe('a server that others reach', () => {
  testWith({ own: true }, 'wants tokens without any setting, and keeps the first in a file of its owner', async () => {
    const stack = await startStack({ HOST: '0.0.0.0' })
    const path = join(stack.folder, 'data', 'admin-token')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const secret = (await readFile(path, 'utf8')).trim()
    expect((await fetch(`${stack.url}/downloads`)).status).toBe(401)
    expect((await fetch(`${stack.url}/downloads`, { headers: bearer(secret) })).status).toBe(200)
    expect(stack.server.output()).toContain(path)
    expect(stack.server.output()).not.toContain(secret)
    await stack.restart()
    expect((await fetch(`${stack.url}/downloads`, { headers: bearer(secret) })).status).toBe(200)
    await stack.stop()
  })

  test('behind a proxy on its own machine it wants tokens, too, and believes that proxy, and nobody else, of addresses', async () => {
    const stack = await startStack({ TRUST_PROXY: '1', ADMIN_TOKEN: ADMIN })
    const forwarded = { 'x-forwarded-for': '198.51.100.7, 203.0.113.9' }
    expect((await fetch(`${stack.url}/downloads`, { headers: forwarded })).status).toBe(401)
    expect(await stack.get('/audit?actor=nobody')).toMatchObject({
      entries: [{ actor: 'nobody', address: '203.0.113.9' }],
    })
    await stack.stop()
    const direct = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
    expect((await fetch(`${direct.url}/downloads`, { headers: forwarded })).status).toBe(401)
    expect(await direct.get('/audit?actor=nobody')).toMatchObject({
      entries: [{ actor: 'nobody', address: '127.0.0.1' }],
    })
    await direct.stop()
  })
})
