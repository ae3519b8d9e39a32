import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { AppError, messageOf } from '../../../shared/errors.ts'
import { primaryCode, SQLITE_BUSY, SQLITE_FULL } from './codes.ts'
import { migrate } from './migrate.ts'

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

/** How long opening waits for a lock that another process holds, in ms. */
const PATIENCE_AT_OPENING = 5000
/**
 * The same for a call, in ms. The whole process waits meanwhile, so once that was in vain, calls wait no more until one
 * of them has got the lock.
 */
const PATIENCE = 250

const SETTINGS =
  'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384;'

/**
 * Opens (and makes) the database at `path`, in WAL mode. A commit is durable once the log was synced after it, which is
 * left to `wal.ts`; what opening writes is durable at once.
 * @throws AppError `store-busy` from any call while another process holds the database, or its disk fails; `store-full`
 */
export function openDatabase(path: string): Database {
  const db = new DatabaseSync(path, { timeout: PATIENCE_AT_OPENING })
  const statements = new Map<string, StatementSync>()

  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql)
    if (!statement) {
      statement = db.prepare(sql)
      statements.set(sql, statement)
    }
    return statement
  }

  let patience = PATIENCE_AT_OPENING
  const wait = (ms: number): void => {
    if (patience !== ms) db.exec(`PRAGMA busy_timeout = ${ms}`)
    patience = ms
  }

  const guarded = <T>(work: () => T): T => {
    try {
      return work()
    } catch (error) {
      if (primaryCode(error) === SQLITE_BUSY) wait(0)
      throw translated(error)
    }
  }

  /** Work that needs the lock. */
  const locking = <T>(work: () => T): T => {
    const result = guarded(work)
    wait(PATIENCE)
    return result
  }

  const rollBack = (): void => {
    try {
      if (db.isTransaction) db.exec('ROLLBACK')
    } catch {
      // What made it necessary is told, and the next transaction tries once more.
    }
  }

  const transaction = <T>(work: () => T): T => {
    rollBack()
    locking(() => db.exec('BEGIN IMMEDIATE'))
    try {
      const result = work()
      guarded(() => db.exec('COMMIT'))
      return result
    } catch (error) {
      rollBack()
      throw error
    }
  }

  // A disk without any room has none for the files beside the database, either.
  guarded(() => db.exec(SETTINGS))
  guarded(() => migrate(db, transaction))
  guarded(() => db.exec('PRAGMA synchronous = NORMAL'))
  wait(PATIENCE)

  return {
    all: (sql, parameters = {}) => guarded(() => prepare(sql).all(parameters)),
    one: (sql, parameters = {}) => guarded(() => prepare(sql).get(parameters)),
    run: (sql, parameters = {}) => locking(() => Number(prepare(sql).run(parameters).changes)),
    transaction,
    close: () => db.close(),
  }
}

/** SQLite's primary result codes that tell of a state which may pass. */
const notNow: Readonly<Record<number, readonly ['store-busy' | 'store-full', string]>> = {
  [SQLITE_BUSY]: ['store-busy', 'The database is locked by another process; try again.'],
  7: ['store-busy', 'The machine has no memory left for the database.'],
  8: ['store-busy', 'The database cannot be written; check the rights of its file, and whether its disk is read-only.'],
  10: ['store-busy', 'The disk of the database fails, or is full; the log of its kernel may say why.'],
  [SQLITE_FULL]: ['store-full', 'The database has no room left on its disk; free some.'],
  14: ['store-busy', 'A file of the database cannot be opened; check its rights, and the limit of open files.'],
  15: ['store-busy', 'The database is being opened or closed by another process; try again.'],
}

/** SQLite's own errors as ours, so that a caller hears whether to come again. */
function translated(error: unknown): unknown {
  const primary = primaryCode(error)
  if (primary === undefined) return error
  const [code, message] = notNow[primary] ?? []
  if (code === undefined || message === undefined) return new Error(`database: ${messageOf(error)}`, { cause: error })
  return new AppError(code, message, {}, { cause: error })
}
