import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { projectFolder } from './process.ts'

/** Databases as servers of the past left them, as SQL; `tests/databases/make.ts` has them made by the program of the time. */
const folder = join(projectFolder, 'tests/databases')

/** What all of them hold. */
export const stored = {
  /** Of a download that was completed, and of one under way. */
  size: 300_000,
  /** Chunks that are there of the one under way: [start, end). */
  chunks: [
    [0, 65_536],
    [131_072, 196_608],
  ],
  /** The client of each, by what became of its download. */
  clients: {
    completed: 'shop_done',
    transferring: 'shop_busy',
    failed: 'shop_lost',
    queued: 'shop_away',
    cancelled: 'shop_void',
    expired: 'shop_late',
  },
} as const

/** The same bytes for ever. */
export function storedContent(): Buffer {
  const blocks: Buffer[] = []
  for (let number = 0; blocks.length * 32 < stored.size; number += 1) {
    blocks.push(createHash('sha256').update(`block ${number}`).digest())
  }
  return Buffer.concat(blocks).subarray(0, stored.size)
}

/** The versions of the schema of which there is a database. */
export function storedVersions(): number[] {
  const versions = readdirSync(folder).map((name) => Number(/^version-(\d+)\.sql$/.exec(name)?.[1]))
  return versions.filter((version) => version > 0).toSorted((a, b) => a - b)
}

export const storedPath = (version: number): string => join(folder, `version-${version}.sql`)

/** Makes a server's data of one of them, with the files that its rows promise. @returns the rows of its downloads */
export async function unpackStored(
  version: number,
  { database, storage }: { database: string; storage: string },
): Promise<Record<string, unknown>[]> {
  await mkdir(join(database, '..'), { recursive: true })
  await mkdir(join(storage, '.incoming'), { recursive: true })
  const db = new DatabaseSync(database)
  db.exec(await readFile(storedPath(version), 'utf8'))
  // Weeks pass between the making of it and a test.
  db.exec(
    `UPDATE downloads SET expires_at = 1000 * unixepoch() + expires_in WHERE status IN ('queued', 'transferring')`,
  )
  const rows = db.prepare('SELECT * FROM downloads ORDER BY seq').all()
  db.close()
  const content = storedContent()
  for (const { status, id, attempt, name } of rows) {
    if (status === 'completed') await writeFile(join(storage, String(name)), content)
    if (status !== 'transferring') continue
    const part = await open(join(storage, '.incoming', `${String(id)}.${String(attempt)}.part`), 'w')
    for (const [start, end] of stored.chunks) await part.write(content, start, end - start, start)
    await part.truncate(stored.size)
    await part.close()
  }
  return rows
}

/** A database as SQL that makes the same one again, row by row in the order of their keys. */
export function dumped(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true })
  const text = (sql: string): string[] =>
    db
      .prepare(sql)
      .all()
      .map((row) => String(Object.values(row)[0]))
  const lines = [`PRAGMA user_version = ${text('PRAGMA user_version')[0]};`]
  lines.push(
    ...text(`SELECT sql || ';' FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`),
  )
  for (const table of text(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`,
  )) {
    const columns = text(`SELECT name FROM pragma_table_info('${table}')`)
    const values = columns.map((column) => `quote("${column}")`).join(` || ',' || `)
    lines.push(...text(`SELECT 'INSERT INTO ${table} VALUES (' || ${values} || ');' FROM ${table} ORDER BY 1`))
  }
  lines.push(
    ...text(
      `SELECT sql || ';' FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY rowid`,
    ),
  )
  db.close()
  return `${lines.join('\n')}\n`
}
