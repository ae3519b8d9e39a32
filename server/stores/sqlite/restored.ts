import { existsSync } from 'node:fs'
import { openDatabase } from './database.ts'

/** Whoever holds it has the database. */
export const databaseLock = (path: string): string => `${path}.lock`

/** A database that is being restored, beside the place where it will be. */
export const restoringPath = (path: string): string => `${path}.restoring`

/** A server that began anew here would sweep away what a restore has brought so far. @throws Error */
export function checkRestored(path: string): void {
  if (!existsSync(restoringPath(path))) return
  throw new Error(
    `a restore of ${path} was cut off; remove ${restoringPath(path)} and the files that it brought, and restore again`,
  )
}

/** Numbers of sessions that a server may have given between a backup and its own end. */
const LATER_SESSIONS = 1_000_000

/**
 * Makes a restored database ready for a server of today: what it lacks of the schema is added, and every session ends. An
 * agent may be in one that the database knows nothing of: each begins another, with a number that none had before.
 * @throws NewerDatabaseError
 */
export function beginAnew(path: string): void {
  const db = openDatabase(path)
  try {
    db.transaction(() => {
      db.run('UPDATE clients SET session_n = session_n + :later, session = NULL, instance = NULL', {
        later: LATER_SESSIONS,
      })
      db.run('DELETE FROM session_tokens')
      // Positions of events from after the backup: what has their numbers now is something else.
      db.run('UPDATE event_log SET epoch = max(epoch + 1, unixepoch())')
      // What waited at the backup was told since, or is too old; endpoints begin anew with what happens from now on.
      db.run('DELETE FROM deliveries')
      db.run('DELETE FROM webhooks')
    })
  } finally {
    db.close()
  }
}
