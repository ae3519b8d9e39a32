import { clientPatternSchema } from '../shared/access.ts'
import { logLevels, type LogLevel } from '../shared/log.ts'
import { readEnvironment, type Environment, type EnvReader } from '../shared/env.ts'
import { parseSize, secondsOf } from '../shared/units.ts'
import { kindOf } from './domain/access/secrets.ts'
import type { TlsFiles } from './tls.ts'
import { readWebhooks, type WebhookSettings } from './webhooks/settings.ts'
import {
  pairStores,
  parseDatabaseUrl,
  parseStorageUrl,
  type SharedAddresses,
  type StoreAddresses,
} from './stores/open.ts'

export type Config = Settings & StoreAddresses

export interface Settings {
  host: string
  port: number
  /** How long GET /api/download/ID waits for a first byte, in ms. */
  downloadTimeout: number
  logLevel: LogLevel
  /** Whether callers must say who they are even where only this machine reaches the server. */
  auth: 'auto' | 'on'
  /** An admin's token from the environment, for containers. */
  adminToken: string | undefined
  /** An enrolment token from the environment, for containers, and the ids that it is for. */
  enrolToken: string | undefined
  enrolClients: string
  /** Proxies before the server whose X-Forwarded-For is believed; 0 for none. */
  trustProxy: number
  /** Where HTTPS is served. */
  tls: TlsFiles | undefined
  /** By which agents may call this server (RFC 6454); none for any. */
  origins: string[]
  /** The folder of what sites install. */
  releases: string
  /** What one client's files may take up, in bytes; undefined: as much as there is. */
  clientQuota: number | undefined
  /** How long finished files are kept, in ms; undefined: for ever. */
  retention: number | undefined
  /** Longer contents go out without a Content-Length, in bytes; undefined: all have one. */
  lengthLimit: number | undefined
  /** Whether agents send their chunks straight to the store. */
  directUploads: boolean
  /** Where and how webhooks are sent; undefined where they are not. */
  webhooks: WebhookSettings | undefined
}

/**
 * The server's configuration, from the environment.
 * @throws ConfigError naming every mistake
 */
export function readConfig(env: Environment): Config {
  const read = readEnvironment(env)
  const host = read.text('HOST', '127.0.0.1')
  const port = read.integer('PORT', 3000, { min: 0, max: 65_535 })
  const stores = readStores(read)
  const downloadTimeout = read.integer('DOWNLOAD_TIMEOUT', 60, { min: 1, max: 86_400 }) * 1000
  const logLevel = read.oneOf('LOG_LEVEL', 'info', logLevels)
  const clientQuota = read.parsed('CLIENT_QUOTA', '', (text) => parseSize(text, 1))
  const retention = read.parsed('RETENTION', '', parseRetention)
  const trustProxy = read.integer('TRUST_PROXY', 0, { min: 0, max: 10 })
  const tls = readTlsFiles(read)
  const auth = read.oneOf('AUTH', 'auto', ['auto', 'on'])
  const origins = read.parsed('ORIGINS', '', parseOrigins) ?? []
  const releases = read.text('RELEASES', 'dist')
  const adminToken = read.parsed('ADMIN_TOKEN', '', parseAdminToken)
  const enrolToken = read.parsed('ENROL_TOKEN', '', parseEnrolToken)
  const enrolClients = read.parsed('ENROL_CLIENTS', '*', parseClients)
  const directUploads = read.oneOf('DIRECT_UPLOADS', 'off', ['off', 'on']) === 'on'
  if (directUploads && stores?.storage.kind === 'file') {
    read.parsed('DIRECT_UPLOADS', '', () => {
      throw new Error('needs a store that agents can reach themselves: STORAGE_URL=s3://BUCKET/PREFIX')
    })
  }
  const lengthLimit = read.parsed('LENGTH_LIMIT', '', (text) => parseSize(text, 1))
  const webhooks = readWebhooks(read)
  read.finish()
  return {
    host,
    port,
    ...stores!,
    directUploads,
    downloadTimeout,
    logLevel,
    clientQuota,
    retention,
    lengthLimit,
    auth,
    adminToken,
    enrolToken,
    enrolClients: enrolClients!,
    trustProxy,
    tls,
    origins,
    releases,
    webhooks,
  }
}

function readStores(read: EnvReader): StoreAddresses | undefined {
  const database = read.parsed('DATABASE_URL', 'sqlite:data/backhaul.db', parseDatabaseUrl)
  const storage = read.parsed('STORAGE_URL', 'file:downloads', parseStorageUrl)
  const endpoint = read.parsed('S3_ENDPOINT', '', parseEndpoint)
  const publicEndpoint = read.parsed('S3_PUBLIC_ENDPOINT', '', parseEndpoint)
  if (!database || !storage) return undefined
  return read.parsed('DATABASE_URL and STORAGE_URL', '', () =>
    pairStores(database, storage.kind === 's3' ? { ...storage, endpoint, publicEndpoint } : storage),
  )
}

/**
 * Where a move goes to: `TO_DATABASE_URL` and `TO_STORAGE_URL`, which are variables as they hold passwords.
 * @throws ConfigError naming every mistake
 */
export function readMoveTarget(env: Environment): SharedAddresses {
  const read = readEnvironment(env)
  const database = read.parsed('TO_DATABASE_URL', '', (text) => {
    const parsed = text === '' ? undefined : parseDatabaseUrl(text)
    if (parsed?.kind === 'postgres') return parsed
    throw new Error('must read postgres://USER@HOST/DATABASE, which says where to move to')
  })
  const storage = read.parsed('TO_STORAGE_URL', '', (text) => {
    const parsed = text === '' ? undefined : parseStorageUrl(text)
    if (parsed?.kind === 's3') return parsed
    throw new Error('must read s3://BUCKET/PREFIX, which says where to move to')
  })
  const endpoint = read.parsed('S3_ENDPOINT', '', parseEndpoint)
  read.finish()
  return { database: database!, storage: { ...storage!, endpoint } }
}

function parseEndpoint(text: string): string | undefined {
  if (text === '') return undefined
  const url = URL.parse(text)
  if (url && /^https?:$/.test(url.protocol) && url.search === '' && url.username === '') return url.href
  throw new Error('must be an address such as https://s3.example.com')
}

/** @returns ms */
function parseRetention(text: string): number | undefined {
  if (text === '') return undefined
  const seconds = secondsOf(text)
  if (seconds) return seconds * 1000
  throw new Error(`must be a time such as 12h, 30d or 8w, not "${text}"`)
}

function parseOrigins(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
    .map((one) => {
      const url = URL.parse(one)
      if (url && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href) return url.origin
      throw new Error(`must be addresses such as https://hub.example, separated by commas, not "${one}"`)
    })
}

const SHORTEST_TOKEN = 20

function parseAdminToken(text: string): string | undefined {
  if (text === '') return undefined
  // The secret itself is not repeated.
  if (text.length < SHORTEST_TOKEN) throw new Error(`must have ${SHORTEST_TOKEN} characters at least`)
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new Error('must be visible ASCII characters without spaces')
}

/** Agents, which get the same one, are let in by its shape: nobody can set one that is easy to guess. */
function parseEnrolToken(text: string): string | undefined {
  if (text === '' || kindOf(text) === 'enrolment') return text || undefined
  // The secret itself is not repeated.
  throw new Error('must be bhe_ and 43 random characters of A-Z a-z 0-9 - _')
}

function parseClients(text: string): string {
  const pattern = clientPatternSchema.safeParse(text)
  if (pattern.success) return pattern.data
  throw new Error(`${pattern.error.issues[0]?.message}, not "${text}"`)
}

function readTlsFiles(read: EnvReader): TlsFiles | undefined {
  const cert = read.text('TLS_CERT', '')
  const key = read.text('TLS_KEY', '')
  if (cert === '' && key === '') return undefined
  read.parsed('TLS_CERT and TLS_KEY', '', () => {
    if (cert === '' || key === '') throw new Error('belong together; one of them is missing')
  })
  return { cert, key }
}
