import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ADMIN } from '../helpers/admin.ts'
import { startStack, type Stack } from '../helpers/stack.ts'

describe('pages', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
  })
  afterAll(() => stack.stop())

  /** Without a token. */
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fetch(stack.url + path, { method, headers })

  test('the API is described to everybody, as a page that may do nothing', async () => {
    const answer = await get('/docs')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(answer.headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    )
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await answer.text()).toContain('<section id="createDownload"')
    expect((await get('/openapi.json')).status).toBe(200)
    expect((await get('/health')).headers.get('content-security-policy')).toBe(
      "default-src 'none';frame-ancestors 'none'",
    )
  })

  test('the dashboard runs scripts of this server, and may do nothing else', async () => {
    const answer = await get('/', { accept: 'text/html,*/*;q=0.8' })
    expect([answer.status, answer.headers.get('vary')]).toEqual([200, 'Accept'])
    const policy = String(answer.headers.get('content-security-policy'))
    expect(policy.split('; ').toSorted()).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'self'",
      "frame-ancestors 'none'",
      "img-src 'self'",
      "script-src 'self'",
      "style-src 'self'",
    ])
    const page = await answer.text()
    expect(page).not.toMatch(/<style| style=| on\w+=|javascript:|data:|<script(?! type="module" src="\/assets\/)/i)
    const places = [...page.matchAll(/ (?:src|href)="([^"]*)"/g)].map(([, place = '']) => place)
    for (const place of places) expect([place, (await get(place)).status]).toEqual([place, 200])
    // Programs that look here find as little as before.
    const other = await get('/', { accept: 'application/json' })
    expect([other.status, ((await other.json()) as { code: string }).code]).toEqual([404, 'route-unknown'])
  })

  test.each([
    ['/', 'text/html; charset=utf-8'],
    ['/docs', 'text/html; charset=utf-8'],
    ['/assets/app.css', 'text/css; charset=utf-8'],
    ['/assets/tables.css', 'text/css; charset=utf-8'],
    ['/assets/app/main.ts', 'text/javascript; charset=utf-8'],
    ['/assets/shared/format.ts', 'text/javascript; charset=utf-8'],
    ['/assets/lit-html/lit-html.js', 'text/javascript; charset=utf-8'],
    ['/assets/backhaul.css', 'text/css; charset=utf-8'],
    ['/assets/backhaul.svg', 'image/svg+xml'],
  ])('%s has its media type, and is sent again only when it has changed', async (path, type) => {
    const answer = await get(path)
    const { length } = Buffer.from(await answer.arrayBuffer())
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type])
    expect(length).toBeGreaterThan(100)
    expect(answer.headers.get('cache-control')).toBe('no-cache')
    const etag = String(answer.headers.get('etag'))
    // fetch itself says `no-cache` beside a condition, which wants all of it.
    const known = { 'if-none-match': etag, 'cache-control': 'max-age=0' }
    expect([(await get(path, known)).status, (await get(path, { ...known, 'if-none-match': '"x"' })).status]).toEqual([
      304, 200,
    ])
    const head = await get(path, {}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(length)])
  })

  test.each([
    '/assets/../main.ts',
    '/assets/%2e%2e%2fmain.ts',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2fetc%2fpasswd',
    '/assets/constructor',
    '/assets/app/../../main.ts',
    '/assets/app/tsconfig.json',
    '/assets/shared/access.ts',
    '/assets/lit-html/package.json',
    '/assets/lit-html/static.js',
    '/assets/backhaul.css%00',
    '/assets/',
  ])('%s leads to no file', async (path) => {
    // As it is: fetch would take dots out.
    const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 40[0-4] [^]*application\/problem\+json/)
  })

  test('an office behind one address reads the page, and has failed at nothing', async () => {
    // More often than a stranger may fail in a minute, or may fetch what sites install.
    const statuses = new Set<number>()
    const look = async (): Promise<void> => {
      for (const path of ['/', '/assets/app.css', '/assets/app/main.ts']) {
        for (let n = 0; n < 60; n += 1) statuses.add((await get(path, { accept: 'text/html' }, 'HEAD')).status)
      }
    }
    await Promise.all(Array.from({ length: 4 }, look))
    expect([...statuses]).toEqual([200])
    expect((await get('/sign-in')).status).toBe(200)
    expect((await get('/downloads')).status).toBe(401)
  })

  test('who says wrongly who they are is not let off by asking for a page', async () => {
    const statuses: number[] = []
    for (let n = 0; n < 601; n += 50) {
      const asked = Array.from({ length: 50 }, () => get('/assets/app.css', { cookie: `backhaul=guess${n}` }, 'HEAD'))
      statuses.push(...(await Promise.all(asked)).map(({ status }) => status))
    }
    expect(statuses[0]).toBe(200)
    expect(statuses.at(-1)).toBe(429)
  })

  test('on a machine that needs no token, its own browsers see them, and nobody else', async () => {
    const own = await startStack()
    try {
      const see = async (path: string, site: string, host = 'localhost'): Promise<string> => {
        const socket = connect(Number(new URL(own.url).port), '127.0.0.1')
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nSec-Fetch-Site: ${site}\r\nConnection: close\r\n\r\n`)
        return (await text(socket)).slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)
      }
      expect(await see('/docs', 'none')).toBe('200')
      expect(await see('/assets/backhaul.css', 'same-origin')).toBe('200')
      expect(await see('/docs', 'cross-site')).toBe('403')
      expect(await see('/docs', 'none', 'evil.example')).toBe('403')
    } finally {
      await own.stop()
    }
  })
})
