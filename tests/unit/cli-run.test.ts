import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { PassThrough } from 'node:stream'
import { attended } from '../../cli/attend.ts'
import { run } from '../../cli/run.ts'
import type { Download } from '../../shared/operator.ts'
import { toldDownload } from '../helpers/told-download.ts'

const fileName = 'menu\u001b[2J.txt'
const queued = toldDownload('d1', { path: fileName, fileName })
const sha256 = 'a'.repeat(64)
const completed: Download = { ...queued, status: 'completed', verified: true, size: 5, sha256, filePath: '/d/menu' }
const failed: Download = { ...queued, status: 'failed', reason: 'not-found', detail: 'It does not exist.' }

let server: Server
let url: string
let asked: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[]
let answer: (response: ServerResponse) => void

beforeEach(async () => {
  asked = []
  server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      answer(response)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const sends =
  (value: unknown, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))

function sendsInTurn(...values: Download[]): (response: ServerResponse) => void {
  return (response) =>
    sends(values.length > 1 ? values.shift() : values[0], 200, { etag: `W/"${values.length}"` })(response)
}

async function cli(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const { signal } = new AbortController()
  const code = await run(argv, {
    env: { SERVER_URL: url },
    stdin: new PassThrough(),
    stdout,
    stderr,
    cwd: tmpdir(),
    signal,
    version: '1.2.3',
  })
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

describe('asking for a download', () => {
  test('sends what was said, prints the id and what comes next', async () => {
    answer = sends(queued, 202)
    const { code, out, err } = await cli(
      'download',
      'restaurant_1',
      '--path',
      'a b',
      '--policy',
      'restart',
      '--priority',
      '-5',
      '--expires-in',
      '7d',
      '--note',
      'for ann',
    )
    expect([code, out]).toEqual([0, 'Download d1 of restaurant_1: queued\n'])
    expect(err).toBe('Next: backhaul status d1 --wait\n')
    expect(asked[0]).toMatchObject({ method: 'POST', url: '/downloads' })
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
      clientId: 'restaurant_1',
      path: 'a b',
      policy: 'restart',
      priority: -5,
      expiresIn: 604_800,
      note: 'for ann',
    })
  })

  test('--quiet prints the id alone, --json the whole answer with fields that are newer than this program', async () => {
    answer = sends({ ...queued, colour: 'blue' }, 202)
    expect(await cli('-q', 'download', '--client', 'restaurant_1')).toEqual({ code: 0, out: 'd1\n', err: '' })
    const { out } = await cli('download', 'restaurant_1', '--json')
    expect(JSON.parse(out)).toEqual({ ...queued, colour: 'blue' })
  })

  test('--wait follows it by its ETag and prints the digest, safe for a terminal', async () => {
    answer = sendsInTurn(queued, { ...queued, status: 'transferring', size: 5, progress: 0 }, completed)
    const { code, out, err } = await cli('download', 'restaurant_1', '--wait')
    expect(code).toBe(0)
    expect(out).toContain(`SHA-256:    ${sha256}\nfile:       /d/menu\n`)
    expect(out + err).not.toContain('\u001b')
    expect(err.split('\n')).toContain('restaurant_1: transferring, 0 B of 5 B (0 %)')
    expect(asked.slice(1).map(({ headers }) => [headers.prefer, headers['if-none-match']])).toEqual([
      [undefined, undefined],
      ['wait=25', 'W/"1"'],
    ])
  })

  test('that fails says why, and exits with the code of the reason', async () => {
    answer = sendsInTurn(queued, failed)
    const { code, err } = await cli('download', 'restaurant_1', '--wait')
    expect(code).toBe(3)
    expect(err).toContain('failed: It does not exist; "backhaul retry d1" starts it again. (not-found)\n')
  })
})

describe('lists', () => {
  test('are plain lines with tabs when piped, and pass the filters on', async () => {
    answer = sends({ downloads: [completed], count: 1, next: '17' })
    const { out, err } = await cli('list-downloads', '--client', 'restaurant_1', '--limit', '1', '--server', url)
    expect(out).toBe('d1\trestaurant_1\tcompleted\t-\t5 B\t2026-01-01T00:00:00.000Z\tmenu\ufffd[2J.txt\n')
    expect(err).toContain('--cursor 17')
    expect(asked[0]?.url).toBe('/downloads?client=restaurant_1&limit=1')
  })

  test.each(['clients', 'list', 'list-clients'])('%s asks for those online', async (name) => {
    answer = sends({ clients: [], count: 0 })
    expect(await cli(name, '--label', 'a=1')).toMatchObject({ code: 0, out: '' })
    expect(asked[0]?.url).toBe('/clients?status=online&label=a%3D1')
  })
})

describe('what goes wrong', () => {
  const problem = {
    type: 'about:blank',
    title: 'Not found',
    status: 404,
    code: 'client-unknown',
    detail: 'No such\nclient.',
  }

  test('is one line with the code of the server', async () => {
    answer = sends(problem, 404, { 'content-type': 'application/problem+json' })
    const expected = { code: 3, out: '', err: 'backhaul: No such client. (client-unknown)\n' }
    expect(await cli('download', 'restaurant_9')).toEqual(expected)
    expect(await cli('fetch', 'restaurant_9', 'x')).toEqual(expected)
  })

  test.each([200, 302, 502])('an answer of something else with status %d is said to be one', async (status) => {
    answer = (response) => void response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Hello</h1>')
    const { code, err } = await cli('clients')
    expect(code).toBe(5)
    expect(err).toMatch(/^backhaul: http:.*\/clients answered \d+ \(text\/html\), .*\(answer-unknown\)\n$/)
  })

  test('a server that is not there', async () => {
    server.close()
    await once(server, 'close')
    const { code, err } = await cli('status', 'd1')
    expect(code).toBe(5)
    expect(err).toMatch(/^backhaul: .* does not answer: .*ECONNREFUSED.* \(server-unreachable\)\n$/)
  })

  test.each([
    ['frobnicate'],
    ['clients', '--status', 'some'],
    ['clients', '--all', '--status', 'all'],
    ['download'],
    ['download', 'a/b'],
    ['download', '--client', 'a', 'b', 'c'],
    ['download', 'a', 'no/such/folder/x'],
    ['status', '..'],
    ['fetch', 'a', 'b', '--json'],
    ['clients', '--server', 'ftp://x'],
  ])('wrong usage exits with 2: %s %s %s', async (...argv) => {
    const { code, err } = await cli(...argv)
    expect(code).toBe(2)
    expect(err).toMatch(/^backhaul: .* \((usage|output-invalid)\)\n$/)
    expect(asked).toEqual([])
  })

  test('help and version are no mistakes', async () => {
    expect(await cli('--version')).toEqual({ code: 0, out: '1.2.3\n', err: '' })
    const { code, out } = await cli('download', '--help')
    expect([code, out.includes('Examples:')]).toEqual([0, true])
    expect((await cli()).out).toContain('Exit codes:')
  })
})

test('waiting ends when a look says that there is no hope', async () => {
  const never = new Promise<never>(() => undefined)
  await expect(attended(never, () => Promise.reject(new Error('offline')), 1)).rejects.toThrow('offline')
  await expect(attended(Promise.resolve(7), () => Promise.reject(new Error('offline')), 60_000)).resolves.toBe(7)
})
