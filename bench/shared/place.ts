import { chmod, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'
import { startPostgres, type PostgresServer } from '../../tests/helpers/postgres-server.ts'
import { s3Place } from '../../tests/helpers/s3.ts'
import { startBenchStack, type BenchStack } from '../stack.ts'

/** What of the environment tells the way to the object store. */
const ofStore = [
  'S3_ENDPOINT',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_REGION',
] as const

/** The variables with which a process reaches the object store, as they were given to this one. */
export function credentials(): Record<string, string> {
  return Object.fromEntries(
    ofStore.flatMap((name): [string, string][] => (process.env[name] ? [[name, process.env[name]]] : [])),
  )
}

/** What PostgreSQL has done so far. */
export interface Work {
  /** Committed, of one database. */
  transactions: number
  /** Bytes of the write-ahead log, of all databases. */
  wal: number
}

/** Servers that share an empty database and an empty place in the bucket. */
export interface Servers {
  all: readonly BenchStack[]
  work(): Promise<Work>
  /** Ends them, and removes what they stored. */
  stop(): Promise<void>
}

export interface ServersOptions {
  count?: number
  tokens?: boolean
  /** Where the servers find the object store, if not where it is. */
  endpoint?: string
  /** Fills the database, which a first start has made by then. */
  fill?: (database: string) => Promise<void>
}

/** A PostgreSQL of the benchmark's own, and the bucket. */
export interface Place {
  start(options?: ServersOptions): Promise<Servers>
  /** Of PostgreSQL, whose processes are all below it. */
  postgresPid(): number
  remove(): Promise<void>
}

/** @param folder PostgreSQL's data, and what servers keep for themselves, lie below it */
export async function openPlace(folder: string): Promise<Place> {
  // PostgreSQL has a user of its own, which is let through and sees nothing.
  await chmod(folder, 0o711)
  const postgres = await startPostgres({ under: folder })
  return {
    start: (options) => startServers({ folder, postgres }, options),
    postgresPid: () => postgres.pid(),
    remove: () => postgres.remove(),
  }
}

async function startServers(
  { folder, postgres }: { folder: string; postgres: PostgresServer },
  { count = 1, tokens = false, endpoint, fill }: ServersOptions = {},
): Promise<Servers> {
  const store = s3Place()
  const database = await postgres.newDatabase()
  const env = {
    ...credentials(),
    ...(endpoint === undefined ? {} : { S3_ENDPOINT: endpoint }),
    DATABASE_URL: database,
    STORAGE_URL: store.url,
  }
  const all: BenchStack[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((server) => server.stop()))
    await store.remove()
  }
  try {
    for (let number = 0; number < count; number += 1) {
      const filled = number === 0 && fill ? { fill: () => fill(database) } : {}
      all.push(await startBenchStack({ folder: await mkdtemp(join(folder, 'server-')), env, tokens, ...filled }))
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { all, work: () => workOf(database), stop }
}

/** Asks by way of another database: what is asked here is not counted. */
async function workOf(database: string): Promise<Work> {
  const url = new URL(database)
  const name = url.pathname.slice(1)
  url.pathname = '/postgres'
  const client = new Client({ connectionString: url.href })
  await client.connect()
  try {
    const { rows } = await client.query<{ transactions: string; wal: string }>(
      `SELECT xact_commit AS transactions, pg_current_wal_lsn() - '0/0'::pg_lsn AS wal
       FROM pg_stat_database WHERE datname = $1`,
      [name],
    )
    return { transactions: Number(rows[0]?.transactions), wal: Number(rows[0]?.wal) }
  } finally {
    await client.end()
  }
}
