import { createHash } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { EnvReader } from '../../shared/env.ts'
import { eventTypes, type EventType } from '../../shared/events.ts'
import { readProxy, type Proxy } from '../../shared/proxy.ts'

export interface Endpoint {
  url: URL
  /** Names it in the database, which does not tell where it is. */
  key: string
  /** For people: without the path, which may be a secret. */
  shown: string
  proxy: Proxy | undefined
}

export interface WebhookSettings {
  endpoints: readonly Endpoint[]
  /** What is sent is signed with each: while a secret is changed there are two. */
  secrets: readonly Buffer[]
  types: ReadonlySet<EventType>
}

/** Each has connections of its own, so that none waits for another. */
const MOST_ENDPOINTS = 4
const DEFAULT_EVENTS = 'download.completed,download.failed'
/** In bytes, as Standard Webhooks has them. */
const SECRET_LENGTH = { min: 24, max: 64 }

/** Where and how webhooks are sent; undefined where they are not. Mistakes are left with the reader. */
export function readWebhooks(read: EnvReader): WebhookSettings | undefined {
  const urls = read.parsed('WEBHOOK_URL', '', parseUrls)
  const secrets = read.parsed('WEBHOOK_SECRET', '', parseSecrets)
  const types = read.parsed('WEBHOOK_EVENTS', DEFAULT_EVENTS, parseTypes)
  if (!urls || !secrets || !types) return undefined
  if (urls.length === 0 && secrets.length === 0) return undefined
  read.parsed('WEBHOOK_URL and WEBHOOK_SECRET', '', () => {
    if (urls.length === 0 || secrets.length === 0) throw new Error('belong together; one of them is missing')
  })
  const endpoints = urls.map((url) => ({
    url,
    key: createHash('sha256').update(url.href).digest('hex'),
    shown: url.origin,
    proxy: readProxy(read, url),
  }))
  return { endpoints, secrets, types }
}

const parts = (text: string): string[] => [...new Set(text.split(/\s+/).filter((part) => part !== ''))]

// No message repeats what it is about: a URL can be as secret as a password.
function parseUrls(text: string): URL[] {
  const urls = parts(text).map(parseUrl)
  if (urls.length > MOST_ENDPOINTS) throw new Error(`takes ${MOST_ENDPOINTS} addresses at most`)
  return urls
}

function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol) || url.hash !== '' || url.username !== '' || url.password !== '')
    throw new Error('must be addresses such as https://hooks.example.com/backhaul, without a user, separated by spaces')
  if (url.protocol === 'https:' || isNear(url.hostname)) return url
  throw new Error('must be https://; http:// is for this machine, private addresses and names without a dot')
}

const near = new BlockList()
near.addSubnet('127.0.0.0', 8)
near.addSubnet('10.0.0.0', 8)
near.addSubnet('172.16.0.0', 12)
near.addSubnet('192.168.0.0', 16)
near.addAddress('::1', 'ipv6')
near.addSubnet('fc00::', 7, 'ipv6')

/** Whether what is sent there stays within a network of one's own. */
function isNear(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  const version = isIP(host)
  return version === 0 ? !host.includes('.') : near.check(host, version === 6 ? 'ipv6' : 'ipv4')
}

function parseSecrets(text: string): Buffer[] {
  return parts(text).map((part) => {
    const secret = Buffer.from(part.replace(/^whsec_/, ''), 'base64')
    const isWhole = part === `whsec_${secret.toString('base64')}`
    if (isWhole && secret.length >= SECRET_LENGTH.min && secret.length <= SECRET_LENGTH.max) return secret
    throw new Error(
      `must be whsec_ and ${SECRET_LENGTH.min} to ${SECRET_LENGTH.max} random bytes as base64: echo "whsec_$(openssl rand -base64 32)"`,
    )
  })
}

function parseTypes(text: string): ReadonlySet<EventType> {
  return new Set(
    text.split(',').map((part) => {
      const type = eventTypes.find((known) => known === part.trim())
      if (type !== undefined) return type
      throw new Error(`must be types of events, separated by commas (${eventTypes.join(', ')}), not "${part.trim()}"`)
    }),
  )
}
