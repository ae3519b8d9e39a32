import type { DatabaseSync } from 'node:sqlite'
import { NewerDatabaseError } from '../newer-database.ts'
import { migrations } from './schema.ts'

/** How many migrations a database has had. */
export function versionOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
}

/** Applies the migrations that a database lacks: all of them, or none. @throws NewerDatabaseError */
export function migrate(db: DatabaseSync, transaction: <T>(work: () => T) => T): void {
  const version = versionOf(db)
  if (version > migrations.length) throw new NewerDatabaseError(version, migrations.length)
  // Without anything to write, a start needs no lock, and no room.
  if (version === migrations.length) return
  transaction(() => {
    for (const sql of migrations.slice(version)) db.exec(sql)
    db.exec(`PRAGMA user_version = ${migrations.length}`)
  })
}
