import type { AccessStore, MakeLimiter } from '../access-ports.ts'
import type { ByteStore } from '../byte-ports.ts'
import type { EventStore } from '../event-ports.ts'
import type { Connections, JobStore, Leases, WakeBus } from '../ports.ts'
import type { ReleaseStore } from '../update-ports.ts'
import type { WebhookStore } from '../webhook-ports.ts'

/** Where jobs and bytes lie, as read from the URLs of the configuration: on this machine, or where several servers share them. */
export type StoreAddresses = OwnAddresses | SharedAddresses

export interface OwnAddresses {
  database: { kind: 'sqlite'; path: string }
  storage: { kind: 'file'; folder: string }
}

export interface SharedAddresses {
  database: { kind: 'postgres'; url: string }
  storage: S3Address
}

/** A bucket; keys and region come from the variables that the AWS SDK reads by itself. */
export interface S3Address {
  kind: 's3'
  bucket: string
  /** What all keys begin with: empty, or ending in a stroke. */
  prefix: string
  /** Any other server than Amazon's, which is addressed path-style. */
  endpoint?: string | undefined
  /** By which callers reach it, where that is another; for signed URLs. */
  publicEndpoint?: string | undefined
}

export interface Stores {
  jobs: JobStore
  access: AccessStore
  events: EventStore
  webhooks: WebhookStore
  bytes: ByteStore
  wakes: WakeBus
  leases: Leases
  makeLimiter: MakeLimiter
  /** Whether other servers use them at the same time. */
  shared: boolean
  /** Those to the database, where there are several. */
  connections?: () => Connections
  close(): Promise<void>
}

/**
 * `sqlite:PATH`, relative to the working folder or absolute, or `postgres://…`.
 * @throws Error that completes "DATABASE_URL …"
 */
export function parseDatabaseUrl(url: string): StoreAddresses['database'] {
  const path = afterScheme(url, 'sqlite')
  if (path) return { kind: 'sqlite', path }
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return { kind: 'postgres', url }
  throw new Error(`must read sqlite:PATH or postgres://USER@HOST/DATABASE, not "${schemeOnly(url)}"`)
}

/**
 * `file:FOLDER`, relative to the working folder or absolute, or `s3://BUCKET/PREFIX`.
 * @throws Error that completes "STORAGE_URL …"
 */
export function parseStorageUrl(url: string): StoreAddresses['storage'] {
  const folder = afterScheme(url, 'file')
  if (folder) return { kind: 'file', folder }
  const [, bucket, prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w!.*'()/-]{0,200}))?$/.exec(url) ?? []
  if (bucket !== undefined) return { kind: 's3', bucket, prefix: prefix.replace(/^\/+|\/+$/g, '').replace(/.$/, '$&/') }
  throw new Error(`must read file:FOLDER or s3://BUCKET/PREFIX, not "${schemeOnly(url)}"`)
}

/** @throws Error that completes "DATABASE_URL and STORAGE_URL …" */
export function pairStores(database: StoreAddresses['database'], storage: StoreAddresses['storage']): StoreAddresses {
  if (database.kind === 'sqlite' && storage.kind === 'file') return { database, storage }
  if (database.kind === 'postgres' && storage.kind === 's3') return { database, storage }
  throw new Error('belong together: sqlite: with file:, for one server, or postgres:// with s3://, for any number')
}

/** Hears of what no caller waits for, and what that means. */
export type Report = (error: unknown, what: string) => void

/** Opens the stores; each implementation is loaded only when it is asked for. */
export async function openStores(addresses: StoreAddresses, report: Report): Promise<Stores> {
  if (addresses.database.kind === 'sqlite') return openOwn(addresses as OwnAddresses)
  const { openShared } = await import('./open-shared.ts')
  return openShared(addresses as SharedAddresses, report)
}

async function openOwn({ database, storage }: OwnAddresses): Promise<Stores> {
  const { openDiskBytes } = await import('./disk/index.ts')
  const bytes = await openDiskBytes({ folder: storage.folder })
  try {
    const { openSqlite } = await import('./sqlite/index.ts')
    const { createLocalLeases } = await import('./leases-local.ts')
    const { makeLocalLimiter } = await import('./limiter-local.ts')
    const { createLocalWakes } = await import('./wake-local.ts')
    const opened = await openSqlite({ path: database.path })
    return {
      ...opened,
      bytes,
      wakes: createLocalWakes(),
      leases: createLocalLeases(),
      makeLimiter: makeLocalLimiter,
      shared: false,
      async close() {
        await bytes.close()
        await opened.jobs.close()
      },
    }
  } catch (error) {
    await bytes.close()
    throw error
  }
}

/** What sites install, in a folder; it need not be there. */
export async function openReleases(folder: string): Promise<ReleaseStore> {
  const { openReleaseFolder } = await import('./disk/releases.ts')
  return openReleaseFolder(folder)
}

/** `file:///srv/x` and `file:/srv/x` both name /srv/x; new URL() would make a root of `file:downloads`, too. */
function afterScheme(url: string, scheme: string): string {
  if (!url.startsWith(`${scheme}:`)) return ''
  return url.slice(scheme.length + 1).replace(/^\/\/(?=\/)/, '')
}

/** URLs may hold passwords, also those with quotes around them: only the scheme is shown. */
function schemeOnly(url: string): string {
  const scheme = /^[a-z0-9+]+:/i.exec(url)?.[0]
  return scheme === undefined && !/[:@?]/.test(url) ? url : `${scheme ?? ''}…`
}
