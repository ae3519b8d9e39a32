import type { AccessStore } from '../access-ports.ts'
import type { ByteStore, JobStore, WakeBus } from '../ports.ts'
import type { ReleaseStore } from '../update-ports.ts'

/** Where jobs and bytes lie, as read from the URLs of the configuration. */
export interface StoreAddresses {
  database: { kind: 'sqlite'; path: string }
  storage: { kind: 'file'; folder: string }
}

export interface Stores {
  jobs: JobStore
  access: AccessStore
  bytes: ByteStore
  wakes: WakeBus
}

/**
 * `sqlite:PATH`, relative to the working folder or absolute.
 * @throws Error that completes "DATABASE_URL …"
 */
export function parseDatabaseUrl(url: string): StoreAddresses['database'] {
  const path = afterScheme(url, 'sqlite')
  if (path) return { kind: 'sqlite', path }
  throw new Error(`must read sqlite:PATH, not "${schemeOnly(url)}"`)
}

/**
 * `file:FOLDER`, relative to the working folder or absolute.
 * @throws Error that completes "STORAGE_URL …"
 */
export function parseStorageUrl(url: string): StoreAddresses['storage'] {
  const folder = afterScheme(url, 'file')
  if (folder) return { kind: 'file', folder }
  throw new Error(`must read file:FOLDER, not "${schemeOnly(url)}"`)
}

/** Opens the stores; each implementation is loaded only when it is asked for. */
export async function openStores({ database, storage }: StoreAddresses): Promise<Stores> {
  const { openDiskBytes } = await import('./disk/index.ts')
  const bytes = await openDiskBytes({ folder: storage.folder })
  try {
    const { openSqlite } = await import('./sqlite/index.ts')
    const { createLocalWakes } = await import('./wake-local.ts')
    return { ...(await openSqlite({ path: database.path })), bytes, wakes: createLocalWakes() }
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

/** URLs may hold passwords: only the scheme is shown. */
function schemeOnly(url: string): string {
  const scheme = /^[a-z0-9+]+:/i.exec(url)?.[0]
  return scheme ? `${scheme}…` : url
}
