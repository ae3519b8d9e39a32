import { DatabaseSync } from 'node:sqlite'

/**
 * Holds `what` for this process alone, until it closes the lock or dies: the kernel drops SQLite's lock with the
 * process, so nothing stale is left behind.
 * @throws Error when another process holds it
 */
export function lockExclusively(lockFile: string, what: string): () => void {
  const db = new DatabaseSync(lockFile)
  try {
    // The lock is all that is wanted of this database: no journal beside it.
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    throw new Error(
      `another server process is using ${what}; stop it, or give each a DATABASE_URL and a STORAGE_URL of its own`,
      {
        cause: error,
      },
    )
  }
  return () => db.close()
}
