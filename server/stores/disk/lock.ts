import { DatabaseSync } from 'node:sqlite'

/**
 * Holds a folder for this process alone, until it closes the lock or dies: the kernel drops SQLite's lock with the
 * process, so nothing stale is left behind.
 * @throws Error when another process holds it
 */
export function lockFolder(lockFile: string): () => void {
  const db = new DatabaseSync(lockFile)
  try {
    // The lock is all that is wanted of this database: no journal beside it.
    db.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    throw new Error('another server process is using this folder; stop it, or give each its own STORAGE_URL', {
      cause: error,
    })
  }
  return () => db.close()
}
