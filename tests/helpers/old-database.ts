import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { openStores, type Stores } from '../../server/stores/open.ts'
import { migrations } from '../../server/stores/sqlite/schema.ts'
import { unexpected } from './reports.ts'

type Values = Record<string, SQLInputValue>

const insert = (db: DatabaseSync, table: string, values: Values): void => {
  const names = Object.keys(values)
  db.prepare(`INSERT INTO ${table} (${names.join()}) VALUES (${names.map((name) => `:${name}`).join()})`).run(values)
}

/** Makes a database, in a folder of its own, as a program left it that knew `version` migrations. @returns its path */
export async function databaseOf(
  parent: string,
  version: number,
  filled: (db: DatabaseSync) => void = () => undefined,
): Promise<string> {
  const path = join(parent, randomUUID(), 'backhaul.db')
  await mkdir(join(path, '..'))
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON')
  for (const sql of migrations.slice(0, version)) db.exec(sql)
  db.exec(`PRAGMA user_version = ${version}`)
  filled(db)
  db.close()
  return path
}

/** Every row of every table, and what makes the tables. */
export function contentOf(path: string): Record<string, unknown[]> {
  const db = new DatabaseSync(path, { readOnly: true })
  const rows = (sql: string): unknown[] =>
    db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }))
  const schema = rows('SELECT type, name, sql FROM sqlite_schema ORDER BY name') as { type: string; name: string }[]
  const tables = schema.filter(({ type }) => type === 'table').map(({ name }) => [name, rows(`SELECT * FROM ${name}`)])
  const version = rows('PRAGMA user_version')
  db.close()
  return { schema, version, ...Object.fromEntries(tables) }
}

const common = { client_id: 'shop_1', kind: 'file', priority: 0, policy: 'fail', naming: 'plain', expires_in: 4000 }
const sha256 = 'ab'.repeat(32)
const ended = { attempt: 1, source: 'v1', size: 1000, bytes_received: 1000, sha256, verified: 1, started_at: 1100 }
/** One in every state, by what it is, as the rows of version 3 were. */
export const oldDownloads: Record<string, Values> = {
  queued: { status: 'queued', path: '/srv/a "b"\nc', note: 'night', batch_id: 'batch', priority: 5 },
  transferring: {
    status: 'transferring',
    attempt: 2,
    source: 'v2',
    size: 3000,
    bytes_received: 1500,
    bytes_resent: 7,
    mismatches: 1,
    started_at: 1100,
  },
  verifying: { ...ended, status: 'verifying', verified: 0 },
  completed: {
    ...ended,
    status: 'completed',
    name: 'one_a.txt',
    completed_at: 1200,
    source_path: '/srv/a',
    source_modified: 900,
  },
  removed: { ...ended, status: 'completed', naming: 'timestamped', name: null, completed_at: 1200, removed_at: 1300 },
  failed: {
    status: 'failed',
    reason: 'source-changed',
    detail: 'it changed',
    source: 'v1',
    size: 9,
    completed_at: 1200,
  },
  expired: { status: 'expired', completed_at: 5000 },
  cancelled: { status: 'cancelled', reason: 'cancelled', completed_at: 1150, whole: 1 },
}
/** Their ids. */
export const oldIds = Object.fromEntries(Object.keys(oldDownloads).map((name) => [name, randomUUID()])) as Record<
  string,
  string
>

/** A client, downloads in every state, half of a file, a name and an idempotency key. */
export function fillOld(db: DatabaseSync): void {
  const agent = JSON.stringify({ version: '0.0.9', platform: 'test', hostname: 'till' })
  const labels = JSON.stringify({ region: 'north' })
  insert(db, 'clients', {
    id: 'shop_1',
    session_n: 3,
    session: '3.x',
    instance: 'third',
    past_instances: '["first"]',
    session_at: 800,
    rev: 41,
    agent,
    shared: '["/srv"]',
    labels,
    last_seen: 900,
    conflicts: 2,
    conflict_at: 700,
    conflict_hostname: 'twin',
  })
  insert(db, 'labels', { key: 'region', value: 'north', client_id: 'shop_1' })
  for (const [index, [name, values]] of Object.entries(oldDownloads).entries()) {
    insert(db, 'downloads', {
      ...common,
      id: oldIds[name]!,
      created_at: 1000 + index,
      expires_at: 5000 + index,
      ...values,
    })
  }
  for (const [start, end] of [
    [0, 1000],
    [2000, 2500],
  ] as const) {
    insert(db, 'chunks', {
      download_id: oldIds['transferring']!,
      attempt: 2,
      start,
      end,
      digest: 'a'.repeat(64),
      tag: '',
    })
  }
  for (const name of ['completed', 'removed']) insert(db, 'names', { key: `${name}_a.txt`, download_id: oldIds[name]! })
  insert(db, 'idempotency', {
    key: 'same',
    request: 'print',
    download_ids: JSON.stringify([oldIds['queued']]),
    created_at: 1000,
  })
}

/** The folder of a database's files. */
export const downloadsBeside = (path: string): string => join(path, '..', 'downloads')

/** Opens the stores with the program of today, and closes them. @returns what `look` saw meanwhile */
export async function opened<T>(path: string, look: (stores: Stores) => Promise<T>): Promise<T> {
  const stores = await openStores(
    {
      database: { kind: 'sqlite', path },
      storage: { kind: 'file', folder: downloadsBeside(path) },
    },
    unexpected,
  )
  try {
    return await look(stores)
  } finally {
    await stores.bytes.close()
    await stores.jobs.close()
  }
}
