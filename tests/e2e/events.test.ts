import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { listenTo } from '../helpers/listening.ts'
import { rawAgent, startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const of = (download: unknown, type: string) => (event: Json) =>
  event['downloadId'] === download && event['type'] === type
const typesOf = (events: Json[]): string[] => events.map((event) => String(event['type']))

describe('events', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
    for (const client of ['shop_1', 'shop_2']) await rawAgent(stack, client)
  })
  afterAll(() => stack.stop())

  test('whoever listens hears of a file from the request to the end, and everybody the same', async () => {
    const [one, other] = [await listenTo(stack), await listenTo(stack)]
    const file = join(stack.folder, 'menu.txt')
    await writeFile(file, 'soup')
    await stack.online('shop_9', ['--file', file])
    const { id } = await stack.ask({ clientId: 'shop_9' })
    const heard = await one.has('its end', of(id, 'download.completed'))
    expect(typesOf(heard)).toEqual([
      'client.connected',
      'download.queued',
      'download.begun',
      'download.verifying',
      'download.completed',
    ])
    expect(heard[0]).toMatchObject({ clientId: 'shop_9', downloadId: null, replaced: false })
    const { sha256, completedAt } = await stack.get(`/downloads/${id}`)
    expect(heard.at(-1)).toMatchObject({
      event: 'download.completed',
      clientId: 'shop_9',
      size: 4,
      bytesReceived: 4,
      sha256,
    })
    expect(Math.abs(Date.parse(heard.at(-1)!['at']) - Date.parse(completedAt))).toBeLessThan(60_000)
    expect(await other.has('its end', of(id, 'download.completed'))).toEqual(heard)
    const names = ['content-type', 'cache-control', 'x-accel-buffering', 'content-encoding']
    expect(names.map((name) => one.headers.get(name))).toEqual([
      'text/event-stream; charset=utf-8',
      'no-store',
      'no',
      null,
    ])
    one.stop()
    other.stop()
  })

  test('who comes again has missed nothing, and has nothing twice', async () => {
    const first = await listenTo(stack)
    const { id } = await stack.ask({ clientId: 'shop_1' })
    await first.has('it', of(id, 'download.queued'))
    const position = first.position()
    first.stop()
    await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    for (const again of [
      await listenTo(stack, '', { 'last-event-id': String(position) }),
      await listenTo(stack, `?since=${position}`),
    ]) {
      const { id: next } = await stack.ask({ clientId: 'shop_1' })
      const heard = await again.has('the next', of(next, 'download.queued'))
      expect(heard[0]).toMatchObject({ downloadId: id, type: 'download.cancelled', reason: 'cancelled' })
      again.stop()
    }
  })

  test('who was told nothing but where it stands can go on from there', async () => {
    const idle = await listenTo(stack, '?type=download.removed')
    const position = await until('a position', async () => idle.position())
    idle.stop()
    const { id } = await stack.ask({ clientId: 'shop_1' })
    const again = await listenTo(stack, `?since=${position}`)
    expect(await again.has('it', of(id, 'download.queued'))).toHaveLength(1)
    again.stop()
  })

  test('filters let through what was asked for', async () => {
    const { id: other } = await stack.ask({ clientId: 'shop_2' })
    const { id } = await stack.ask({ clientId: 'shop_1' })
    const last = async (query: string): Promise<Json[]> => {
      const listening = await listenTo(stack, query)
      await fetch(`${stack.url}/downloads/${other}`, { method: 'DELETE' })
      await stack.post(`/downloads`, { clientId: 'shop_2', note: query })
      await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
      const heard = await listening.has('the end', of(id, 'download.cancelled'))
      listening.stop()
      return heard
    }
    expect(typesOf(await last(`?client=shop_1&download=${id}&type=download.cancelled,download.queued`))).toEqual([
      'download.cancelled',
    ])
  })

  test.each([
    ['?type=download', 'type'],
    ['?client=a/b', 'client'],
    ['?download=x', 'download'],
    ['?since=yesterday', 'since'],
  ])('%s is refused', async (query, field) => {
    expect(await stack.get(`/events${query}`)).toMatchObject({ status: 400, code: 'invalid', field })
  })

  test('a position that nobody knows begins anew, and says so', async () => {
    const listening = await listenTo(stack, '?since=77777777777.1')
    const [reset] = await listening.has('a reset', ({ event }) => event === 'reset')
    expect(reset).toEqual({ event: 'reset', reason: 'events-forgotten' })
    const { id } = await stack.ask({ clientId: 'shop_1' })
    await listening.has('it', of(id, 'download.queued'))
    expect(listening.position()).not.toBe('77777777777.1')
    listening.stop()
  })

  test('a download tells its story page by page', async () => {
    const agent = await rawAgent(stack, 'shop_3')
    const { id } = await stack.ask({ clientId: 'shop_3' })
    await agent.begin(id, 10)
    await agent.fail(id, 'locked', 1)
    await stack.post(`/downloads/${id}/retry`)
    const first = await stack.get(`/downloads/${id}/events?limit=3`)
    const rest = await stack.get(`/downloads/${id}/events?limit=3&cursor=${first['next']}`)
    expect(rest['next']).toBeNull()
    const events: Json[] = [...first['events'], ...rest['events']]
    expect(typesOf(events)).toEqual(['download.queued', 'download.begun', 'download.failed', 'download.retried'])
    expect(events[2]).toMatchObject({ status: 'failed', reason: 'locked', attempt: 1, size: 10 })
    const listening = await listenTo(stack, `?since=${events[0]!['id']}&download=${id}`)
    expect(await listening.has('the last', of(id, 'download.retried'))).toMatchObject(events.slice(1))
    listening.stop()
    const nobody = crypto.randomUUID()
    expect(await stack.get(`/downloads/${nobody}/events`)).toMatchObject({ status: 404, code: 'download-unknown' })
  })

  test('a stop ends the stream whole, and the listener goes on after it', async () => {
    const listening = await listenTo(stack)
    const { id } = await stack.ask({ clientId: 'shop_1' })
    await listening.has('it', of(id, 'download.queued'))
    await stack.restart()
    expect(await listening.ended).toBe('whole')
    const again = await listenTo(stack, '', { 'last-event-id': String(listening.position()) })
    await fetch(`${stack.url}/downloads/${id}`, { method: 'DELETE' })
    expect(await again.has('its end', of(id, 'download.cancelled'))).toHaveLength(1)
    again.stop()
  })
})

describe('events, and who may hear of them', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
    for (const client of ['b', 'other']) {
      const { secret } = (await stack.post('/enrolments', { clients: client })).body
      const { body } = await stack.post('/credentials', { clientId: client }, bearer(secret))
      expect((await fetch(`${stack.url}/jobs?client=${client}`, { headers: bearer(body['secret']) })).status).toBe(204)
    }
  })
  afterAll(() => stack.stop())

  test('a token for some clients and paths hears of nothing else', async () => {
    const limits = { role: 'reader', clients: ['b*'], paths: ['report*'] }
    const mine = bearer((await stack.post('/tokens', { name: 'some', ...limits })).body['secret'])
    const everything = await listenTo(stack, '', bearer(ADMIN))
    const listening = await listenTo(stack, '', mine)
    await stack.ask({ clientId: 'other', path: 'report.txt' })
    await stack.ask({ clientId: 'b', path: 'secret.txt' })
    await stack.ask({ clientId: 'b' })
    const { id } = await stack.ask({ clientId: 'b', path: 'report.txt' })
    expect(await everything.has('it', of(id, 'download.queued'))).toHaveLength(4)
    expect(await listening.has('it', of(id, 'download.queued'))).toHaveLength(1)
    everything.stop()
    listening.stop()
  })

  test('a token that is revoked hears of nothing more', async () => {
    const { body } = await stack.post('/tokens', { name: 'gone', role: 'reader' })
    const listening = await listenTo(stack, '', bearer(body['secret']))
    await fetch(`${stack.url}/tokens/${body['id']}`, { method: 'DELETE', headers: bearer(ADMIN) })
    expect(await listening.ended).toBe('cut')
    expect((await fetch(`${stack.url}/events`, { headers: bearer(body['secret']) })).status).toBe(401)
  })
})
