import type { IncomingMessage, ServerResponse } from 'node:http'
import { codesOfProblems } from './codes.ts'
import type { Random } from '../chaos/random.ts'
import { value, word } from './words.ts'

/** What the agents of a hostile server share; nothing else may ever be sent. */
export interface Bait {
  shared: string
  /** Outside of what is shared. */
  secret: string
}

/** Answers as a server would, but for what is wrong in some places: so the agent gets far. */
export function answer(random: Random, request: IncomingMessage, response: ServerResponse, bait: Bait): void {
  if (random.chance(0.03)) return void request.socket.destroy()
  const status = random.chance(0.75) ? usualStatus(request) : random.pick(statuses)
  // As often as not a server wants to know who asks.
  if (status === 401 || (request.url?.startsWith('/sessions') && random.chance(0.4))) return challenge(random, response)
  const body = random.chance(0.75) ? usualBody(random, request, bait) : value(random)
  const text = random.chance(0.95) ? JSON.stringify(body) : word(random)
  for (const [name, texts] of oddHeaders(random)) response.setHeader(name, texts)
  response.setHeader('Content-Type', status >= 400 ? 'application/problem+json' : 'application/json')
  response.statusCode = status
  if (status === 204 || status === 304) return void response.end()
  if (random.chance(0.01)) return large(response)
  if (random.chance(0.05)) {
    response.setHeader('Content-Length', Buffer.byteLength(text) + 10)
    response.write(text)
    return request.socket.destroySoon()
  }
  response.end(text)
}

const statuses = [
  200, 201, 202, 204, 206, 301, 304, 400, 401, 403, 404, 408, 409, 410, 412, 413, 415, 422, 500, 502, 503, 504, 507,
]

function usualStatus({ method, url = '' }: IncomingMessage): number {
  if (url.startsWith('/sessions')) return 201
  return method === 'PUT' ? 204 : 200
}

function challenge(random: Random, response: ServerResponse): void {
  const nonce = random.chance(0.8) ? 'x.y.z' : word(random).replace(/[^\x21-\x7e]/g, '')
  response.statusCode = 401
  response.setHeader('WWW-Authenticate', ['Bearer realm="x"', `Backhaul-Key nonce="${nonce}"`])
  response.setHeader('Retry-After', '0')
  response.setHeader('Content-Type', 'application/problem+json')
  response.end(JSON.stringify({ type: 'x', title: 'x', status: 401, code: 'unauthenticated' }))
}

/** More than an agent reads of an answer. */
function large(response: ServerResponse): void {
  const piece = Buffer.alloc(1024 * 1024, 0x20)
  let left = 20
  const more = (): void => {
    if (left === 0) return void response.end('{}')
    left -= 1
    response.write(piece, () => more())
  }
  more()
}

function oddHeaders(random: Random): [string, string][] {
  const pairs: [string, string][] = [
    ['Retry-After', random.pick(['0', '-1', 'x', '1e9', 'Thu, 01 Jan 1970 00:00:00 GMT'])],
    ['Reconnect-Spread', random.pick(['0', '-1', 'x'])],
    [
      'Upload-Limit',
      random.pick(['max-append-size=0', 'max-append-size=1', 'max-append-size=999999999999999999999', 'x']),
    ],
    [
      'WWW-Authenticate',
      random.pick([
        'Backhaul-Key nonce=""',
        'Backhaul-Key nonce="x"',
        'Backhaul-Key nonce="' + 'x'.repeat(500),
        'Bearer',
      ]),
    ],
    ['Session-Token', random.pick(['', 'x', 'x'.repeat(5000)])],
    ['Location', 'http://127.0.0.1:1/'],
    ['Set-Cookie', 'a=b'],
    ['Content-Encoding', random.pick(['gzip', 'br', 'x'])],
  ]
  return pairs.filter(([name]) => random.chance(name === 'Retry-After' ? 0.9 : 0.05))
}

/** Where a chunk may go, for an agent that believes it. */
function placeOf(random: Random, host = ''): Record<string, unknown> {
  const urls = [
    `http://${host}/store?x=1`,
    `http://u:p@${host}/`,
    'http://127.0.0.1:1/',
    'file:///etc/passwd',
    word(random),
  ]
  const headers = random.pick([{}, { 'Content-MD5': 'x' }, { Host: 'x', Authorization: 'x' }, { 'x-amz-x': '\n' }])
  return { url: random.pick([urls[0], ...urls]), headers, tag: random.pick(['x', '', '../x']), expires: 'x' }
}

function usualBody(random: Random, { url = '', headers }: IncomingMessage, bait: Bait): unknown {
  const changed = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields).map(([name, usual]) => [name, random.chance(0.04) ? value(random) : usual]),
    )
  const chunk = { min: 1, max: random.pick([1, 1000, 2 ** 40]), preferred: random.pick([1, 65_536, 2 ** 40]) }
  if (url.startsWith('/sessions')) {
    return changed({
      protocol: 1,
      session: '1.x',
      wait: random.pick([0, 1, 25]),
      chunk,
      parallel: 4,
      spread: 0,
      token: 'x',
    })
  }
  if (url.startsWith('/credentials')) return changed({ id: idOf(random), clientId: 'x', kind: 'key' })
  if (url.startsWith('/jobs?')) return changed({ rev: random.int(0, 1e6), jobs: jobs(random, bait, changed) })
  if (url.endsWith('/begin')) {
    const received = random.chance(0.3) ? [{ start: random.int(-5, 50), end: random.int(0, 3e6) }] : []
    return changed({
      id: idOf(random),
      attempt: 1,
      size: SIZE,
      received,
      chunk,
      parallel: 4,
      digests: ['crc32'],
      encodings: ['zstd'],
      direct: random.chance(0.3),
    })
  }
  if (url.endsWith('/chunks')) return changed(placeOf(random, headers.host))
  const problem = { type: 'x', title: 'x', status: 400, code: random.pick(codesOfProblems), detail: word(random) }
  return changed({
    ...problem,
    id: idOf(random),
    verified: true,
    missing: [{ start: 0, end: random.int(0, 3e6) }],
    received: [],
    attempt: 1,
  })
}

/** Bytes of the shared file. */
export const SIZE = 2_000_000

const ids = Array.from({ length: 5 }, (_, index) => `00000000-0000-4000-8000-00000000000${index}`)
const idOf = (random: Random): string => (random.chance(0.95) ? random.pick(ids) : word(random))

function jobs(
  random: Random,
  { shared, secret }: Bait,
  changed: (fields: Record<string, unknown>) => Record<string, unknown>,
): unknown[] {
  const paths = [null, shared, secret, `${shared}/../${secret}`, `../${secret}`, word(random)]
  return Array.from({ length: random.int(0, 3) }, () =>
    changed({
      id: idOf(random),
      protocol: 1,
      kind: 'file',
      path: random.pick(paths),
      policy: random.pick(['fail', 'restart', 'prefix', 'size-only', 'reread', 'other']),
      askedBy: word(random),
      priority: 0,
      status: 'queued',
      attempt: random.int(0, 2),
    }),
  )
}
