import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'

// The operator's calls: what is asked, listed, filtered and refused.
describe('operator API', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
    await rawAgent(stack, 'known')
  })
  afterAll(() => stack.stop())

  const send = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const response = await fetch(stack.url + path, { method, headers, ...(body === undefined ? {} : { body }) })
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? undefined : JSON.parse(text)) as Json,
    }
  }
  const json = { 'content-type': 'application/json' }

  test.each([
    ['no JSON', '{"clientId":', 400, 'invalid', 'body'],
    ['no object', '"known"', 400, 'invalid', 'body'],
    ['nothing', '{}', 400, 'invalid', 'clientId'],
    ['an id with a slash', '{"clientId":"../x"}', 400, 'invalid', 'clientId'],
    ['both forms', '{"clientId":"known","clientIds":["known"]}', 400, 'invalid', 'clientId'],
    ['an unknown field', '{"clientId":"known","prio":1}', 400, 'invalid', 'body'],
    ['a bad priority', '{"clientId":"known","priority":1.5}', 400, 'invalid', 'priority'],
    ['a bad policy', '{"clientId":"known","policy":"hope"}', 400, 'invalid', 'policy'],
    ['a path with NUL', '{"clientId":"known","path":"a\\u0000b"}', 400, 'invalid', 'path'],
    ['an endless path', JSON.stringify({ clientId: 'known', path: 'x'.repeat(4097) }), 400, 'invalid', 'path'],
    ['an expiry of nothing', '{"clientId":"known","expiresIn":0}', 400, 'invalid', 'expiresIn'],
    ['another kind', '{"clientId":"known","kind":"folder"}', 400, 'invalid', 'kind'],
    ['labels that none carries', '{"clientIds":"*","labels":{"region":"moon"}}', 404, 'client-unknown', undefined],
    ['labels beside an id', '{"clientId":"known","labels":{"region":"west"}}', 400, 'invalid', 'labels'],
    ['an id never seen', '{"clientId":"knwon"}', 404, 'client-unknown', undefined],
    ['one of several never seen', '{"clientIds":["known","knwon"]}', 404, 'client-unknown', undefined],
    ['deep JSON', `{"clientId":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 400, 'invalid', 'clientId'],
    ['huge JSON', `{"clientId":"${'x'.repeat(1_100_000)}"}`, 413, 'too-large', undefined],
  ])('POST /downloads refuses %s, and queues nothing', async (_name, body, status, code, field) => {
    const before = (await stack.get('/downloads'))['count']
    const answer = await send('POST', '/downloads', body, json)
    expect(answer).toMatchObject({ status, body: { status, code, ...(field === undefined ? {} : { field }) } })
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
    expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\.ts:/)
    expect((await stack.get('/downloads'))['count']).toBe(before)
  })

  test.each([
    [
      'POST',
      '/downloads',
      'x=1',
      { 'content-type': 'application/x-www-form-urlencoded' },
      415,
      'unsupported-media-type',
    ],
    ['POST', '/sessions', '{}', json, 400, 'invalid'],
    ['GET', '/downloads/nonsense', undefined, {}, 404, 'download-unknown'],
    ['GET', `/downloads/${randomUUID()}`, undefined, {}, 404, 'download-unknown'],
    ['DELETE', `/downloads/${randomUUID()}`, undefined, {}, 404, 'download-unknown'],
    ['GET', `/downloads/${randomUUID()}/content`, undefined, {}, 404, 'download-unknown'],
    ['POST', `/downloads/${randomUUID()}/retry`, undefined, {}, 404, 'download-unknown'],
    ['GET', `/jobs/${randomUUID()}`, undefined, {}, 404, 'download-unknown'],
    ['GET', '/jobs', undefined, {}, 400, 'invalid'],
    ['GET', '/jobs?client=a%2Fb', undefined, {}, 400, 'invalid'],
    ['GET', '/jobs?client=known&seen=x', undefined, {}, 400, 'invalid'],
    ['GET', '/downloads?limit=0', undefined, {}, 400, 'invalid'],
    ['GET', '/downloads?cursor=x', undefined, {}, 400, 'invalid'],
    ['GET', '/downloads?status=done', undefined, {}, 400, 'invalid'],
    ['GET', '/downloads?client=a%2Fb', undefined, {}, 400, 'invalid'],
    ['GET', '/downloads?client=a&client=b', undefined, {}, 400, 'invalid'],
    ['GET', '/clients?status=gone', undefined, {}, 400, 'invalid'],
    [
      'GET',
      `/clients?${Array.from({ length: 40 }, (_, n) => `label=k${n}%3Dv`).join('&')}`,
      undefined,
      {},
      400,
      'invalid',
    ],
    ['GET', '/clients?label=west', undefined, {}, 400, 'invalid'],
    ['GET', '/clients/nobody', undefined, {}, 404, 'client-unknown'],
    ['GET', '/clients/nobody/files/x', undefined, {}, 404, 'client-unknown'],
    ['GET', '/nowhere', undefined, {}, 404, 'route-unknown'],
    ['PUT', `/jobs/${randomUUID()}/begin`, undefined, {}, 405, 'method-not-allowed'],
    ['PATCH', '/downloads', undefined, {}, 405, 'method-not-allowed'],
  ])('%s %s is refused with its own code', async (method, path, body, headers, status, code) => {
    const answer = await send(method, path, body, headers)
    expect(answer).toMatchObject({ status, body: { status, code } })
    if (status === 405) expect(answer.headers.get('allow')).toMatch(/POST/)
    expect(await send('GET', '/health')).toMatchObject({ status: 200, body: { status: 'ok' } })
  })

  test('bytes that are no HTTP do not disturb the server', async () => {
    const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => undefined).resume()
    socket.write('\u0016\u0003\u0001 hello\r\n\r\n')
    await closed
    expect(await send('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } })
  })

  test.each(['http://[/jobs?client=a', '//a@[#x', 'http://?x'])(
    '%s is a target at which nothing lies',
    async (target) => {
      const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
      socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
      const answer = await textOf(socket)
      expect(answer).toMatch(/^HTTP\/1.1 404 /)
      expect(answer).toContain('"code":"route-unknown"')
      expect(await send('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready' } })
    },
  )

  test('a known client that is away gets its download queued', async () => {
    const answer = await send('POST', '/downloads', '{"clientId":"known","path":"a","note":"n","expiresIn":60}', json)
    expect(answer).toMatchObject({
      status: 202,
      body: { clientId: 'known', path: 'a', status: 'queued', note: 'n', requestId: answer.body['id'] },
    })
    expect(answer.headers.get('location')).toBe(`/downloads/${answer.body['id']}`)
    expect(Date.parse(answer.body['expiresAt']) - Date.parse(answer.body['createdAt'])).toBe(60_000)
  })

  test('an idempotency key repeats safely', async () => {
    const ask = (path: string) =>
      send('POST', '/downloads', JSON.stringify({ clientId: 'known', path }), { ...json, 'idempotency-key': 'key-1' })
    const first = await ask('same')
    expect((await ask('same')).body['id']).toBe(first.body['id'])
    expect(
      (await stack.get('/downloads?client=known&status=queued'))['downloads'].filter((d: Json) => d['path'] === 'same'),
    ).toHaveLength(1)
    expect(await ask('other')).toMatchObject({ status: 422, body: { code: 'idempotency-mismatch' } })
  })

  test('a batch asks several clients, or all, or all with a label', async () => {
    const agent = { version: 't', platform: 't', hostname: 't' }
    for (const [clientId, region] of [
      ['b1', 'west'],
      ['b2', 'west'],
      ['b3', 'east'],
    ] as const) {
      await stack.post('/sessions', {
        protocol: 1,
        clientId,
        instance: randomUUID(),
        takeover: true,
        agent,
        shared: [],
        labels: { region },
      })
    }
    const named = await send('POST', '/downloads', '{"clientIds":["b1","b3","b1"]}', json)
    expect(named).toMatchObject({ status: 202, body: { count: 2 } })
    const clientsOf = async (batchId: string) =>
      (await stack.get(`/downloads?batch=${batchId}`))['downloads'].map((d: Json) => d['clientId'])
    expect(await clientsOf(named.body['batchId'])).toEqual(['b3', 'b1'])
    const west = await send('POST', '/downloads', '{"clientIds":"*","labels":{"region":"west"}}', json)
    expect(await clientsOf(west.body['batchId'])).toEqual(['b2', 'b1'])
    const all = await send('POST', '/downloads', '{"clientIds":"*"}', json)
    expect(await clientsOf(all.body['batchId'])).toEqual(expect.arrayContaining(['known', 'b1', 'b2', 'b3']))
    expect((await stack.get('/clients?status=all&label=region=west'))['clients'].map((c: Json) => c['id'])).toEqual([
      'b1',
      'b2',
    ])
    const eastern = (await stack.get('/downloads?label=region=east'))['downloads'].map((d: Json) => d['clientId'])
    expect(eastern).toEqual(['b3', 'b3'])
  })

  test('lists go newest first, page by page', async () => {
    const ids: string[] = []
    for (const path of ['p1', 'p2', 'p3'])
      ids.unshift((await stack.ask({ clientId: 'known', path, note: 'paged' }))['id'])
    const first = await stack.get('/downloads?note=paged&limit=2')
    expect(first).toMatchObject({ count: 2, downloads: [{ id: ids[0] }, { id: ids[1] }] })
    const second = await stack.get(`/downloads?note=paged&limit=2&cursor=${first['next']}`)
    expect(second).toMatchObject({ count: 1, next: null, downloads: [{ id: ids[2] }] })
    expect((await stack.get('/downloads?status=completed,failed'))['count']).toBe(0)
  })

  test('Prefer: wait waits for a change of status, with If-None-Match for any change', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'waited' })
    const held = send('GET', `/downloads/${id}`, undefined, { prefer: 'wait=60' })
    await stack.post(`/jobs/${id}/fail`, { code: 'denied', detail: 'no' })
    const answer = await held
    expect(answer).toMatchObject({ status: 200, body: { status: 'failed', reason: 'denied', detail: 'no' } })
    expect(answer.headers.get('preference-applied')).toBe('wait=60')
    const etag = answer.headers.get('etag') ?? ''
    expect(
      (await send('GET', `/downloads/${id}`, undefined, { 'if-none-match': etag, 'cache-control': 'max-age=0' }))
        .status,
    ).toBe(304)
    // A finished download does not change: there is nothing to wait for.
    expect((await send('GET', `/downloads/${id}`, undefined, { prefer: 'wait=60' })).status).toBe(200)
  })

  test('a poll that is refused makes no client known', async () => {
    const headers = { 'agent-session': '5.unknown' }
    expect(await send('GET', '/jobs?client=ghost', undefined, headers)).toMatchObject({
      status: 409,
      body: { code: 'session-unknown' },
    })
    expect(await send('GET', '/clients/ghost')).toMatchObject({ status: 404 })
  })

  test('null is the default file, as in answers', async () => {
    expect(await stack.ask({ clientId: 'known', path: null })).toMatchObject({ path: null, status: 'queued' })
  })

  test('retry takes failed ones only, and gives them their whole time again, no more', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'r', expiresIn: 3600 })
    expect(await send('POST', `/downloads/${id}/retry`)).toMatchObject({ status: 409, body: { code: 'not-retryable' } })
    for (let round = 0; round < 2; round += 1) {
      await stack.post(`/jobs/${id}/fail`, { code: 'not-found' })
      const before = Date.now()
      const { status, body } = await send('POST', `/downloads/${id}/retry`)
      expect([status, body['status'], body['reason']]).toEqual([202, 'queued', null])
      expect(Date.parse(body['expiresAt'])).toBeGreaterThanOrEqual(before + 3_600_000)
      expect(Date.parse(body['expiresAt'])).toBeLessThanOrEqual(Date.now() + 3_600_000)
    }
  })

  test('metrics count what happens, by labels of few values; the API describes itself', async () => {
    const before = await (await fetch(`${stack.url}/metrics`)).text()
    const { id } = await stack.ask({ clientId: 'known', path: 'counted' })
    await stack.post(`/jobs/${id}/fail`, { code: 'denied' })
    const response = await fetch(`${stack.url}/metrics`)
    const text = await response.text()
    const failed = (metrics: string): number =>
      Number(/^backhaul_downloads_ended_total\{status="failed"\} (\d+)$/m.exec(metrics)?.[1] ?? 0)
    expect(failed(text)).toBe(failed(before) + 1)
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(text).toMatch(/^backhaul_downloads_open\{status="queued"\} \d+$/m)
    expect(text).toMatch(/^backhaul_agents_online \d+$/m)
    expect(text).not.toContain(id)
    expect(await stack.get('/openapi.json')).toMatchObject({
      openapi: '3.1.0',
      paths: { '/downloads/{id}': { get: {}, delete: {} } },
    })
  })

  test('a download whose time is up expires', async () => {
    const { id } = await stack.ask({ clientId: 'known', path: 'e', expiresIn: 1 })
    expect(await stack.reached(id, 'expired')).toMatchObject({ reason: 'expired' })
    expect(await stack.get(`/downloads/${id}/content`)).toMatchObject({ status: 410, code: 'expired' })
  })
})
