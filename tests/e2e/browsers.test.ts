import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { rawAgent, startStack, type Stack } from '../helpers/stack.ts'

// Somebody sits at the server's machine, and opens somebody else's page.
describe('browsers on the own machine', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
    await rawAgent(stack, 'shop')
  })
  afterAll(() => stack.stop())

  /** By hand: fetch sets these headers itself. */
  const send = (method: string, path: string, headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(stack.url + path, { method, headers }, (response) => {
        void text(response).then(() => resolve(response.statusCode))
      })
      sent.once('error', reject)
      sent.end()
    })
  const port = (): string => new URL(stack.url).port

  test.each([
    ['a page of another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['another port of this machine', { 'sec-fetch-site': 'same-site' }],
    ['an old browser', { origin: 'https://evil.example' }],
    ['a page without an origin', { origin: 'null' }],
    ['a name that was made to lead here', { host: 'evil.example:3000' }],
    ['a proxy that passes others on', { 'x-forwarded-for': '203.0.113.9' }],
  ])('%s gets nothing, and changes nothing', async (_name, headers) => {
    expect(await send('GET', '/downloads', headers)).toBe(403)
    expect(await send('POST', '/download/shop', headers)).toBe(403)
    expect(await stack.get('/downloads')).toMatchObject({ count: 0 })
  })

  test('a page whose name was made to lead here holds no poll, and makes no client', async () => {
    const host = 'evil.example:3000'
    expect(await send('GET', '/jobs?client=made-up', { host, prefer: 'wait=1' })).toBe(403)
    expect(await stack.get('/clients/made-up')).toMatchObject({ code: 'client-unknown' })
  })

  test('a page that asks again and again leaves few rows in the audit, and keeps nobody out', async () => {
    const statuses: (number | undefined)[] = []
    for (let count = 0; count < 100; count += 1) {
      statuses.push(await send('GET', '/downloads', { 'sec-fetch-site': 'cross-site' }))
    }
    expect(statuses.at(-1)).toBe(429)
    const { entries } = await stack.get('/audit?limit=1000')
    expect(entries.length).toBeLessThanOrEqual(60)
    expect(await send('GET', '/downloads', {})).toBe(200)
  })

  test('its own pages, what is typed, and programs get what they ask for', async () => {
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      const named = { host: `${host}:${port()}` }
      expect(await send('GET', '/downloads', { ...named, 'sec-fetch-site': 'none' })).toBe(200)
      expect(await send('GET', '/downloads', { ...named, 'sec-fetch-site': 'same-origin' })).toBe(200)
    }
    expect(await send('GET', '/downloads', {})).toBe(200)
  })
})
