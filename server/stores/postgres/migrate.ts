import { NewerDatabaseError } from '../newer-database.ts'
import type { Database, Queries } from './database.ts'
import { migrations } from './schema.ts'

/** The oldest version of PostgreSQL that has what the schema uses. */
const OLDEST = 13

/** Servers that start at the same time bring the tables up to date one after the other. */
const LOCK = 4_254_484_173

/** Applies the migrations that a database lacks: all of them, or none. @throws NewerDatabaseError, and of a PostgreSQL too old */
export async function migrate(db: Pick<Database, 'one' | 'transaction'>): Promise<void> {
  const version = await lookUp(db)
  // Without anything to write, a start needs no lock.
  if (version === migrations.length) return
  await db.transaction(async (tx) => {
    await tx.one('SELECT pg_advisory_xact_lock(:lock)', { lock: LOCK })
    // Nothing is asked of what this connection remembers of the tables: another server may just have made them.
    await tx.run('CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)')
    const now = await versionOf(tx)
    if (now > migrations.length) throw new NewerDatabaseError(now, migrations.length)
    for (const statements of migrations.slice(now)) {
      for (const sql of statements) await tx.run(sql)
    }
    await tx.run('DELETE FROM schema_version')
    await tx.run('INSERT INTO schema_version (version) VALUES (:version)', { version: migrations.length })
  })
}

/** @returns 0 for a database without any tables of ours */
async function lookUp(db: Pick<Queries, 'one'>): Promise<number> {
  const row = await db.one(
    `SELECT to_regclass('schema_version') IS NOT NULL AS known, current_setting('server_version_num')::integer / 10000 AS major`,
  )
  const major = Number(row?.['major'])
  if (major < OLDEST) throw new Error(`the database is PostgreSQL ${major}; it must be ${OLDEST} or newer`)
  return row?.['known'] === true ? versionOf(db) : 0
}

/** How many migrations a database has had. */
async function versionOf(db: Pick<Queries, 'one'>): Promise<number> {
  return Number((await db.one('SELECT max(version) AS version FROM schema_version'))?.['version'] ?? 0)
}
