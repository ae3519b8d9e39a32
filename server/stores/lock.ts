import { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../shared/errors.ts'
import { primaryCode, SQLITE_BUSY } from './sqlite/codes.ts'

/**
 * Holds something for this process alone, until it closes the lock or dies: the kernel drops SQLite's lock with the
 * process, so nothing stale is left behind.
 * @throws what `refusal` makes, when another process holds it; another Error where nothing can be locked
 */
export function lockExclusively(lockFile: string, refusal: (cause: unknown) => Error): () => void {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(lockFile)
    // The lock is all that is wanted of this database: no journal beside it.
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    if (primaryCode(error) === SQLITE_BUSY) throw refusal(error)
    throw new Error(`cannot lock ${lockFile}: ${messageOf(error)}`, { cause: error })
  }
  const held = db
  return () => held.close()
}

/** The same for what one server alone may use. */
export function lockForServer(lockFile: string, what: string): () => void {
  const advice = 'stop it, or give each a DATABASE_URL and a STORAGE_URL of its own'
  return lockExclusively(
    lockFile,
    (cause) => new Error(`another server process is using ${what}; ${advice}`, { cause }),
  )
}
