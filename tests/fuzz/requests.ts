import { operations } from '../../server/http/operations.ts'
import { formatDigest, sha256 } from '../../shared/digest.ts'
import { headers as names } from '../../shared/protocol.ts'
import type { Random } from '../chaos/random.ts'
import { value, word } from './words.ts'

/** A request as bytes go over the wire; nothing on this side makes it better. */
export interface Attack {
  /** For people: which operation it set out from. */
  from: string
  bytes: Buffer
  /** Ends the connection in the middle of the body. */
  cut: boolean
}

/** What is there to be asked for. */
export interface Targets {
  downloads: string[]
  clients: string[]
  sessions: string[]
  tokens: string[]
  /** Of the clients, in their order. */
  bearers: string[]
}

const headerNames = [
  ...Object.values(names),
  'Prefer',
  'Range',
  'If-Range',
  'If-None-Match',
  'Idempotency-Key',
  'Content-Encoding',
  'Transfer-Encoding',
  'Expect',
  'X-Forwarded-For',
  'X-HTTP-Method-Override',
  'Upgrade',
  'Connection',
]
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'g']
const queries = [
  'client',
  'seen',
  'attempt',
  'from',
  'limit',
  'cursor',
  'status',
  'label',
  'path',
  'wait',
  'actor',
  'batch',
  'outdated',
]

/** All of a file, as one chunk that nothing is wrong with. */
const CHUNK = Buffer.from('0123456789')
const chunkHeaders: [string, string][] = [
  ['Content-Range', `bytes 0-9/${CHUNK.length}`],
  ['Content-Digest', formatDigest(sha256().update(CHUNK).digest('hex'))],
]

/** One attack on one operation; what is not changed is as it should be, so that it gets far. */
export function attack(random: Random, targets: Targets): Attack {
  const from = random.pick(Object.keys(operations))
  const [method = '', template = ''] = from.split(' ')
  const body = bodyOf(random, from, targets)
  const lines = [
    `${random.chance(0.05) ? random.pick(methods) : method} ${pathOf(random, template, targets)} HTTP/1.1`,
    'Host: fuzz',
    ...headersOf(random, body, targets).map(([name, text]) => `${name}: ${text}`),
  ]
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
  return { from, bytes: Buffer.concat([head, body]), cut: random.chance(0.05) }
}

function pathOf(random: Random, template: string, { downloads, clients }: Targets): string {
  const id = random.pick(template.startsWith('/clients') || template.startsWith('/api/download/') ? clients : downloads)
  const path = template
    .replace('{id}', random.chance(0.1) ? encodeURIComponent(safe(word(random))) : id)
    .replace('{name}', random.pick(['SHA256SUMS', 'install.sh']))
    .replace('{path}', random.chance(0.5) ? safe(word(random)).replace(/[\s#?]/g, '_') : 'report.txt')
  const query = Array.from({ length: random.int(0, 3) }, () => {
    const text = random.chance(0.4) ? random.pick([...clients, ...downloads]) : safe(word(random))
    return `${random.pick(queries)}=${encodeURIComponent(text)}`
  })
  const mangled = random.chance(0.03) ? safe(word(random)).replace(/[\s]/g, '') : path
  return `${mangled || '/'}${query.length > 0 ? `?${query.join('&')}` : ''}`
}

/** Of half a pair no URL can be made. */
const safe = (text: string): string => text.toWellFormed()

function headersOf(random: Random, body: Buffer, { sessions, tokens }: Targets): [string, string][] {
  const line = (text: string): string =>
    Buffer.from(text)
      .toString('latin1')
      .replace(/[\r\n\0]/g, random.chance(0.1) ? '\n' : ' ')
  const usual: [string, string][] = [
    ['Authorization', `Bearer ${random.pick(tokens)}`],
    ['Agent-Session', random.pick(sessions)],
    ['Attempt', '1'],
    ...(body.length === CHUNK.length ? chunkHeaders : []),
    ['Content-Type', random.chance(0.9) ? 'application/json' : line(word(random))],
    ['Content-Length', random.chance(0.97) ? String(body.length) : line(word(random))],
    ['Connection', 'close'],
  ]
  const odd = Array.from({ length: random.int(0, 3) }, (): [string, string] => [
    random.pick(headerNames),
    line(random.chance(0.5) ? word(random) : `bytes 0-${random.int(0, 9)}/${random.int(0, 10)}`),
  ])
  return [...usual.filter(() => random.chance(0.93)), ...odd]
}

function bodyOf(random: Random, from: string, { clients }: Targets): Buffer {
  const { request } = operations[from] ?? {}
  if (request === undefined) return Buffer.alloc(0)
  if (request === 'bytes' && random.chance(0.7)) return CHUNK
  if (request === 'bytes') return Buffer.alloc(random.pick([0, 1, 70_000]), random.int(0, 255))
  if (random.chance(0.05)) return Buffer.from('['.repeat(50_000))
  if (random.chance(0.05)) return Buffer.from(safe(word(random)))
  const usual: Record<string, unknown> = { ...likely, clientId: random.pick(clients) }
  const wanted = fieldsOf(request)
  const fields = Object.entries(usual).filter(([name]) => wanted.includes(name) || random.chance(0.02))
  const changed = fields.map(([name, text]) => [name, random.chance(0.1) ? value(random) : text])
  return Buffer.from(JSON.stringify(Object.fromEntries(changed)))
}

/** What is no mistake, under the names that the schemas know. */
const likely = {
  path: 'report.txt',
  protocol: 1,
  instance: 'i'.repeat(20),
  takeover: true,
  agent: { version: '1', platform: 'x', hostname: 'h' },
  shared: [],
  source: 'v1',
  size: 10,
  attempt: 1,
  sha256: 'a'.repeat(64),
  code: 'not-found',
  name: 'n',
  role: 'reader',
  clients: 'fuzz_*',
  id: 'u',
  state: 'failed',
}

const fields: Record<string, readonly string[]> = {
  SessionRequest: ['protocol', 'clientId', 'instance', 'takeover', 'agent', 'shared'],
  BeginRequest: ['source', 'size'],
  CompleteRequest: ['attempt', 'size', 'sha256'],
  FailRequest: ['attempt', 'code'],
  UpdateReport: ['id', 'state'],
  DownloadRequest: ['clientId', 'path'],
  TokenRequest: ['name', 'role'],
  EnrolmentRequest: ['clients'],
  CredentialRequest: ['clientId'],
}

const fieldsOf = (request: string): readonly string[] => fields[request] ?? []
