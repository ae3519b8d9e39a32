import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { makeAuthority } from '../helpers/certificates.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { callsOverTls } from '../helpers/over-tls.ts'
import { start } from '../helpers/process.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'

type Headers = Record<string, string>
const json = { 'content-type': 'application/json' }
const ownPage = { 'sec-fetch-site': 'same-origin' }
const nobody = { needed: true, signedIn: false, name: null, role: null, content: false }

/** Signs in as a page does. @returns the answer, and the cookie as browsers send it */
async function signIn(url: string, token: string, more: Headers = ownPage) {
  const headers = { ...json, ...more }
  const response = await fetch(`${url}/sign-in`, { method: 'POST', headers, body: JSON.stringify({ token }) })
  const set = response.headers.get('set-cookie') ?? ''
  return { status: response.status, body: (await response.json()) as Json, set, cookie: { cookie: set.split(';')[0]! } }
}

describe('signing in on a page', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ ADMIN_TOKEN: ADMIN, AUTH: 'on', LOG_LEVEL: 'debug' })
  })
  afterAll(() => stack.stop())

  const call = async (method: string, path: string, headers: Headers): Promise<Json> => {
    const body = method === 'POST' ? { body: JSON.stringify({ clientId: 'shop' }) } : {}
    const response = await fetch(stack.url + path, { method, headers: { ...json, ...headers }, ...body })
    const answer = response.status === 204 ? {} : await response.json()
    return { status: response.status, headers: response.headers, ...(answer as Json) }
  }
  const newToken = async (role: string): Promise<{ id: string; secret: string }> => {
    const { body } = await stack.post('/tokens', { name: `a ${role}`, role })
    return { id: body['id'], secret: body['secret'] }
  }

  test('a token becomes a cookie that no script reads, and counts as the token does', async () => {
    const { secret } = await newToken('reader')
    expect(await call('GET', '/sign-in', {})).toMatchObject(nobody)
    const { status, body, set, cookie } = await signIn(stack.url, secret)
    expect([status, body]).toEqual([
      200,
      { needed: true, signedIn: true, name: 'a reader', role: 'reader', content: false },
    ])
    expect(set).toBe(`backhaul=${secret}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200`)
    expect(await call('GET', '/sign-in', cookie)).toMatchObject(body)
    const list = await call('GET', '/downloads', { ...cookie, ...ownPage })
    expect([list['status'], list['headers'].get('cache-control')]).toEqual([200, 'private, no-cache'])
    expect(await call('GET', '/audit', cookie)).toMatchObject({ status: 403, code: 'not-permitted' })
    // Others of the same server come before and behind it.
    expect(await call('GET', '/downloads', { cookie: `a=1; ${cookie.cookie}; b="2"` })).toMatchObject({ status: 200 })
  })

  test('what a page of somebody else sends counts as sent by nobody', async () => {
    const { cookie } = await signIn(stack.url, ADMIN)
    const origin = new URL(stack.url).origin
    const own: Headers[] = [ownPage, { origin }, { ...ownPage, origin }]
    const others: Headers[] = [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ]
    for (const said of own)
      expect(await call('DELETE', '/tokens/none', { ...cookie, ...said })).toMatchObject({ status: 404 })
    for (const said of others)
      expect([said, (await call('DELETE', '/tokens/none', { ...cookie, ...said }))['status']]).toEqual([said, 401])
    // What asks for a file can be a picture of that page.
    const picture = { ...cookie, 'sec-fetch-site': 'same-site' }
    expect(await call('GET', '/clients/shop/files/menu.txt', picture)).toMatchObject({ status: 401 })
    // Typed, or a bookmark.
    expect(await call('GET', '/downloads', { ...cookie, 'sec-fetch-site': 'none' })).toMatchObject({ status: 200 })
    const elsewhere = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    expect(await signIn(stack.url, ADMIN, elsewhere)).toMatchObject({ status: 403, set: '' })
    expect(await call('DELETE', '/sign-in', elsewhere)).toMatchObject({ status: 403 })
  })

  test('what a program says by Authorization is what counts', async () => {
    const { cookie } = await signIn(stack.url, ADMIN)
    const reader = bearer((await newToken('reader')).secret)
    expect(await call('GET', '/audit', { ...cookie, ...reader })).toMatchObject({ status: 403 })
    expect(await call('GET', '/audit', { ...cookie, authorization: '' })).toMatchObject({ status: 401 })
    expect(await call('GET', '/audit', { ...cookie, ...bearer('wrong') })).toMatchObject({ status: 401 })
  })

  test("a wrong token, and what is an agent's, sign nobody in", async () => {
    const enrolment = String((await stack.post('/enrolments', { clients: 'shop', uses: 2 })).body['secret'])
    const { body } = await stack.post('/credentials', { clientId: 'shop' }, bearer(enrolment))
    for (const token of ['wrong', enrolment, String(body['secret'])]) {
      const refused = await signIn(stack.url, token)
      expect([refused.status, refused.body['code'], refused.set]).toEqual([401, 'unauthenticated', ''])
      expect(await call('GET', '/sign-in', { cookie: `backhaul=${token}` })).toMatchObject(nobody)
    }
    expect(await call('GET', '/jobs?client=shop', { cookie: `backhaul=${body['secret']}` })).toMatchObject({
      status: 401,
    })
    expect(await call('GET', '/downloads', { cookie: 'backhaul=%' })).toMatchObject({ status: 401 })
    expect(await call('POST', '/sign-in', ownPage)).toMatchObject({ status: 400, code: 'invalid' })
  })

  test('signing out makes the browser forget it', async () => {
    const { cookie } = await signIn(stack.url, ADMIN)
    const { status, headers } = await call('DELETE', '/sign-in', { ...cookie, ...ownPage })
    expect([status, headers.get('set-cookie')]).toEqual([
      204,
      'backhaul=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0',
    ])
    expect(await call('GET', '/sign-in', { cookie: 'backhaul=' })).toMatchObject(nobody)
  })

  test('a token that is revoked ends its sign-ins at once, and what they listen to', async () => {
    const { id, secret } = await newToken('reader')
    const { cookie } = await signIn(stack.url, secret)
    const listening = await fetch(`${stack.url}/events`, { headers: cookie })
    expect(listening.status).toBe(200)
    const over = listening.text().then(
      () => true,
      () => true,
    )
    await fetch(`${stack.url}/tokens/${id}`, { method: 'DELETE', headers: bearer(ADMIN) })
    expect(await over).toBe(true)
    expect(await call('GET', '/downloads', cookie)).toMatchObject({
      status: 401,
      detail: 'The token of this sign-in has run out or was revoked; sign in again.',
    })
    expect(await call('GET', '/sign-in', cookie)).toMatchObject(nobody)
  })

  test('who tries tokens is told to wait, and a cookie says no more of them than Authorization', async () => {
    const own = await startStack({ ADMIN_TOKEN: ADMIN, AUTH: 'on' })
    const statuses: number[] = []
    for (let count = 0; count < 61; count += 1) statuses.push((await signIn(own.url, `guessed ${count}`)).status)
    expect(statuses).toEqual([...statuses.slice(1).map(() => 401), 429])
    expect((await signIn(own.url, ADMIN)).status).toBe(429)
    // Other failures are counted apart: nobody else of that address is held back.
    expect((await fetch(`${own.url}/downloads`)).status).toBe(401)
    const look = async (cookie: string) => (await fetch(`${own.url}/sign-in`, { headers: { cookie } })).status
    for (let count = 0; count < 59; count += 1) expect(await look(`backhaul=guessed${count}`)).toBe(200)
    expect(await look('backhaul=guessed')).toBe(429)
    expect(await look('other=1')).toBe(200)
    expect((await fetch(`${own.url}/downloads`, { headers: { cookie: `backhaul=${ADMIN}` } })).status).toBe(200)
    await own.stop()
  })

  test('a page of somebody else keeps nobody who looks at it from signing in', async () => {
    const own = await startStack({ ADMIN_TOKEN: ADMIN, AUTH: 'on' })
    const elsewhere = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    const statuses: number[] = []
    for (let count = 0; count < 61; count += 1) statuses.push((await signIn(own.url, 'x', elsewhere)).status)
    expect(statuses).toEqual([...statuses.slice(1).map(() => 403), 429])
    expect((await signIn(own.url, ADMIN)).status).toBe(200)
    await own.stop()
  })

  test('no cookie is in the log', () => {
    expect(stack.server.output()).toContain('/sign-in')
    expect(stack.server.output()).not.toMatch(/backhaul=|set-cookie/i)
  })
})

describe('where nobody needs a token', () => {
  test('everybody of this machine is signed in, and gets no cookie', async () => {
    const stack = await startStack()
    const everybody = { needed: false, signedIn: true, name: null, role: 'admin', content: true }
    expect(await stack.get('/sign-in')).toEqual(everybody)
    expect(await signIn(stack.url, 'whatever')).toMatchObject({ status: 200, body: everybody, set: '' })
    await stack.stop()
  })
})

describe('a sign-in that only TLS carries', () => {
  test('is what it is behind a proxy that says so, and is trusted', async () => {
    const https = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' }
    const stack = await startStack({ ADMIN_TOKEN: ADMIN, TRUST_PROXY: '1' })
    const { set, cookie } = await signIn(stack.url, ADMIN, { ...ownPage, ...https })
    expect(set).toMatch(/^__Host-backhaul=[^;]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200; Secure$/)
    const signedIn = async (headers: Headers): Promise<boolean> =>
      ((await (await fetch(`${stack.url}/sign-in`, { headers })).json()) as Json)['signedIn']
    expect(await signedIn({ ...cookie, ...https })).toBe(true)
    // The plain name can have come from anywhere else in the domain.
    expect(await signedIn({ cookie: `backhaul=${ADMIN}`, ...https })).toBe(false)
    await stack.stop()
  })

  test('is not what any caller says it is', async () => {
    const stack = await startStack({ ADMIN_TOKEN: ADMIN, AUTH: 'on' })
    const { set } = await signIn(stack.url, ADMIN, { ...ownPage, 'x-forwarded-proto': 'https' })
    expect(set).toMatch(/^backhaul=[^;]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/)
    await stack.stop()
  })

  testWith({ programs: ['openssl'] }, 'is what it is over TLS', async () => {
    const { folder, remove } = await temporaryFolder()
    const authority = makeAuthority(folder)
    const pair = authority.issue()
    const server = start('server/main.ts', [], {
      DATABASE_URL: `sqlite:${join(folder, 'backhaul.db')}`,
      STORAGE_URL: `file:${join(folder, 'downloads')}`,
      HOST: '127.0.0.1',
      PORT: '0',
      TLS_CERT: pair.cert,
      TLS_KEY: pair.key,
      ADMIN_TOKEN: ADMIN,
      AUTH: 'on',
    })
    const { port } = await server.line((line) => line['msg'] === 'listening')
    const calls = callsOverTls(`https://127.0.0.1:${String(port)}`, await readFile(authority.ca))
    const asking = calls.begin({ method: 'POST', path: '/sign-in', headers: { ...json, ...ownPage } })
    asking.end(JSON.stringify({ token: ADMIN }))
    const answer = await calls.answerOf(asking)
    await text(answer)
    const [set = ''] = answer.headers['set-cookie'] ?? []
    expect(set).toMatch(/^__Host-backhaul=.*; Secure$/)
    const { body } = await calls.text({ path: '/sign-in', headers: { cookie: set.split(';')[0]! } })
    expect(JSON.parse(body)).toMatchObject({ signedIn: true, role: 'admin' })
    await server.kill('SIGTERM')
    await remove()
  })
})
