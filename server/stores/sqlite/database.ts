import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { AppError, isAppError, messageOf } from '../../../shared/errors.ts'
import { migrations } from './schema.ts'

export type Row = Record<string, SQLOutputValue>
export type Parameters = Record<string, SQLInputValue>

/** A database file with cached statements and one way to run a transaction. */
export interface Database {
  all(sql: string, parameters?: Parameters): Row[]
  one(sql: string, parameters?: Parameters): Row | undefined
  /** @returns the number of rows changed */
  run(sql: string, parameters?: Parameters): number
  /** Runs `work` in one immediate transaction; what it throws rolls everything back. */
  transaction<T>(work: () => T): T
  close(): void
}

/**
 * Opens (and makes) the database at `path`, durable at every commit (`synchronous=FULL` in WAL mode).
 * @throws AppError `store-busy` from any call while another process holds the database for longer than 5 s
 */
export function openDatabase(path: string): Database {
  const db = new DatabaseSync(path, { timeout: 5000 })
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;')
  const statements = new Map<string, StatementSync>()

  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql)
    if (!statement) {
      statement = db.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }

  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      throw translated(error)
    }
  }

  const transaction = <T>(work: () => T): T => {
    guarded(() => db.exec('BEGIN IMMEDIATE'))
    try {
      const result = work()
      guarded(() => db.exec('COMMIT'))
      return result
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }

  migrate(db, transaction)

  return {
    all: (sql, parameters = {}) => guarded(() => prepare(sql).all(parameters)),
    one: (sql, parameters = {}) => guarded(() => prepare(sql).get(parameters)),
    run: (sql, parameters = {}) => guarded(() => Number(prepare(sql).run(parameters).changes)),
    transaction,
    close: () => db.close(),
  }
}

function migrate(db: DatabaseSync, transaction: <T>(work: () => T) => T): void {
  transaction(() => {
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
    if (version > migrations.length) {
      throw new Error(`the database is of a newer version (${version}) than this program knows (${migrations.length})`)
    }
    // Nothing is written where nothing is to be done: a server must come up on a full disk.
    if (version === migrations.length) return
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.exec(`PRAGMA user_version = ${migrations.length}`)
  })
}

const SQLITE_BUSY = 5
const SQLITE_READONLY = 8
const SQLITE_FULL = 13

/** SQLite's own errors as ours, so that a caller hears whether to come again. */
function translated(error: unknown): unknown {
  if (isAppError(error) || typeof error !== 'object' || error === null || !('errcode' in error)) return error
  const primary = Number(error.errcode) & 0xff
  const options = { cause: error }
  if (primary === SQLITE_BUSY)
    return new AppError('store-busy', 'The database is locked by another process; try again.', {}, options)
  if (primary === SQLITE_READONLY)
    return new AppError('store-busy', 'The database cannot be written; check its file rights.', {}, options)
  if (primary === SQLITE_FULL)
    return new AppError('store-full', 'The database has no room left on its disk; free some.', {}, options)
  return new Error(`database: ${messageOf(error)}`, options)
}
