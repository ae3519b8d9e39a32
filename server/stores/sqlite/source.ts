import { DatabaseSync } from 'node:sqlite'
import { NewerDatabaseError } from '../newer-database.ts'
import type { Row } from '../rows.ts'
import { openDatabase } from './database.ts'
import { versionOf } from './migrate.ts'
import { readPromises, type Promises } from './promised.ts'
import { migrations } from './schema.ts'

/**
 * All tables, but for the rows of chunks, and of what was forgotten of the events; with what their rows are read in the order
 * of. A row stands behind those that it refers to.
 */
const ORDERS = {
  clients: 'id',
  labels: 'key, value, client_id',
  downloads: 'seq',
  names: 'key',
  idempotency: 'key',
  tokens: 'rowid',
  enrolments: 'rowid',
  credentials: 'rowid',
  session_tokens: 'hash',
  secrets: 'name',
  audit: 'seq',
  events: 'seq',
  webhooks: 'endpoint',
  deliveries: 'seq',
} as const
export type Table = keyof typeof ORDERS
export const tables = Object.keys(ORDERS) as Table[]

/** A database that nobody changes any more, to be read whole. */
export interface Source extends Promises {
  count(table: Table): number
  /** Every row. Of two credentials the later one has the greater `seq`. */
  rows(table: Table): Iterable<Row>
  close(): void
}

/** Adds what the database lacks of the schema of today, and of what its log holds. @throws NewerDatabaseError */
export function bringUpToDate(path: string): void {
  openDatabase(path).close()
}

/** Opens a database for reading alone. @throws NewerDatabaseError */
export function openSource(path: string): Source {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 10_000 })
  const version = versionOf(db)
  if (version === 0 || version > migrations.length) {
    db.close()
    if (version > 0) throw new NewerDatabaseError(version, migrations.length)
    throw new Error(`${path} is not the database of a server that has ever started`)
  }
  return {
    ...readPromises(db),
    count: (table) => Number(db.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.['count']),
    rows(table) {
      const order = table === 'credentials' ? 'rowid AS seq, *' : '*'
      return db.prepare(`SELECT ${order} FROM ${table} ORDER BY ${ORDERS[table]}`).iterate()
    },
    close: () => db.close(),
  }
}
