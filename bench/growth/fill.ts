import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import { statements, type Dialect } from './rows.ts'

const sqlite: Dialect = {
  numbers: (first, last) => `WITH RECURSIVE n (i) AS (SELECT ${first} UNION ALL SELECT i + 1 FROM n WHERE i < ${last})`,
  hex: (value, digits) => `printf('%0${digits}x', ${value})`,
}

const postgres: Dialect = {
  numbers: (first, last) => `WITH n (i) AS (SELECT generate_series(${first}::bigint, ${last}::bigint))`,
  hex: (value, digits) => `lpad(to_hex((${value})::bigint), ${digits}, '0')`,
}

/** Fills an empty database of a server that does not run. @param path its file */
export function fill(path: string, downloads: number): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -524288; BEGIN')
  for (const statement of statements(downloads, sqlite)) db.exec(statement)
  db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

/** Fills an empty database of servers that do not run. */
export async function fillPostgres(url: string, downloads: number): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('SET synchronous_commit = off')
    for (const statement of statements(downloads, postgres)) await client.query(statement)
    await client.query(`SELECT setval(pg_get_serial_sequence('downloads', 'seq'), ${downloads})`)
    // As it would have been done by itself in the time that so many take.
    await client.query('VACUUM (ANALYZE)')
  } finally {
    await client.end()
  }
}
