import type { Part, PartRows } from '../byte-ports.ts'
import type { Chunk } from '../ports.ts'
import { createChunkStore } from '../stores/postgres/chunks.ts'
import type { Database, Queries } from '../stores/postgres/database.ts'
import { adoptPositions } from '../stores/postgres/events.ts'
import { findMove, noteMove, noteMoveFinished } from '../stores/postgres/moves.ts'
import { toBoolean, type Row } from '../stores/rows.ts'
import { tables, type Table } from '../stores/sqlite/source.ts'
import { MoveError } from './errors.ts'

/** The new database, while everything comes to it. What is there already is not written again. */
export interface Target {
  /** @throws MoveError `not-empty`, `in-use` where this move can neither begin nor go on */
  check(id: string): Promise<void>
  isBegun(id: string): Promise<boolean>
  /**
   * Notes that this move has begun, or goes on with it.
   * @returns whether it was finished before
   * @throws MoveError `not-empty`, `in-use`
   */
  begin(move: { id: string; source: string }): Promise<boolean>
  /** Inserts rows of one table; those whose keys are there stay as they are. */
  insert(table: Table, rows: readonly Row[]): Promise<void>
  /** The rows of chunks that have come. */
  readonly rows: PartRows
  addChunks(part: Part, chunks: readonly Chunk[]): Promise<void>
  forgetChunks(part: Part): Promise<void>
  /** Whether a finished file has come. */
  hasFile(id: string): Promise<boolean>
  /** A finished file has come: the chunks that it came in are of no more use. */
  addFile(part: Part): Promise<void>
  /** A finished file is lost: as if it had been removed. @param at epoch ms */
  loseFile(part: Part, at: number): Promise<void>
  /** All bytes of an attempt are lost: it is queued for another, or has no part to retry with. */
  losePart(part: Part): Promise<void>
  /** Some of an attempt's chunks are lost: what counts are its rows here. */
  loseChunks(part: Part): Promise<void>
  /** Makes the database one that servers may start on. @param counts of the rows that must be there by now */
  finish(id: string, counts: ReadonlyMap<Table, number>): Promise<void>
}

/** Tables of which one row shows that somebody uses the database. Secrets are made by whoever looks. */
const telling = tables.filter((table) => table !== 'secrets' && table !== 'labels')
/** Which of them count their rows, and by which column. */
const counters = { downloads: 'seq', credentials: 'seq', audit: 'seq', events: 'seq', deliveries: 'seq' } as const
/** It says whose the bucket is: the new database's. */
const OWN_SECRET = 'storage'

export function createTarget(db: Database): Target {
  const types = createTypes(db)

  const insert = async (table: Table, rows: readonly Row[]): Promise<void> => {
    const [first] = rows
    if (!first) return
    const known = await types(table)
    const names = Object.keys(first)
    const columns = names.map((name) => {
      const type = known.get(name)
      if (type === undefined) throw new Error(`the new table ${table} has no column ${name}`)
      return { name, type }
    })
    const values = columns.map(({ name, type }) => `:${name}::${type}[]`).join(', ')
    const conflict = table === 'secrets' ? '(name) DO UPDATE SET value = excluded.value' : 'DO NOTHING'
    await db.run(
      `INSERT INTO ${table} (${names.map((name) => `"${name}"`).join(', ')})
       SELECT * FROM unnest(${values}) ON CONFLICT ${conflict}`,
      Object.fromEntries(columns.map(({ name, type }) => [name, rows.map((row) => valueOf(row[name], type))])),
    )
  }

  const isBegun = async (id: string): Promise<boolean> => (await findMove(db))?.id === id

  return {
    rows: createChunkStore({ db }),
    isBegun,
    async check(id) {
      if (!(await isBegun(id))) await checkEmpty(db)
    },
    async begin(move) {
      await noteMove(db, move, checkEmpty)
      return (await findMove(db))?.finished === true
    },

    insert: (table, rows) =>
      insert(table, table === 'secrets' ? rows.filter((row) => row['name'] !== OWN_SECRET) : rows),

    async addChunks({ id, attempt }, chunks) {
      await db.run(
        `INSERT INTO chunks (download_id, attempt, start, "end", digest, tag)
         SELECT :id, :attempt, * FROM unnest(:starts::bigint[], :ends::bigint[], :digests::text[], :tags::text[])
         ON CONFLICT DO NOTHING`,
        {
          id,
          attempt,
          starts: chunks.map(({ start }) => start),
          ends: chunks.map(({ end }) => end),
          digests: chunks.map(({ digest }) => digest),
          tags: chunks.map(({ tag }) => tag),
        },
      )
    },
    forgetChunks: (part) => forgetChunks(db, part),
    async hasFile(id) {
      return (await db.one('SELECT 1 FROM moved_files WHERE download_id = :id', { id })) !== undefined
    },
    addFile: (part) =>
      db.transaction(async (tx) => {
        await tx.run('INSERT INTO moved_files (download_id) VALUES (:id) ON CONFLICT DO NOTHING', { id: part.id })
        await forgetChunks(tx, part)
      }),

    loseFile: (part, at) =>
      db.transaction(async (tx) => {
        await tx.run('UPDATE downloads SET removed_at = :at, name = NULL WHERE id = :id', { id: part.id, at })
        await forgetChunks(tx, part)
      }),
    losePart: (part) =>
      db.transaction(async (tx) => {
        await forgetChunks(tx, part)
        await tx.run(
          `UPDATE downloads SET source = NULL, bytes_received = 0,
             sha256 = CASE WHEN status = 'verifying' THEN NULL ELSE sha256 END,
             status = CASE WHEN status IN ('transferring', 'verifying') THEN 'queued' ELSE status END
           WHERE id = :id`,
          { id: part.id },
        )
      }),
    async loseChunks({ id, attempt }) {
      // What is not whole is the agent's again.
      await db.run(
        `UPDATE downloads SET
           bytes_received = (SELECT coalesce(sum("end" - start), 0) FROM chunks WHERE download_id = :id AND attempt = :attempt),
           sha256 = CASE WHEN status = 'verifying' THEN NULL ELSE sha256 END,
           status = CASE WHEN status = 'verifying' THEN 'transferring' ELSE status END
         WHERE id = :id`,
        { id, attempt },
      )
    },

    async finish(id, counts) {
      await db.transaction(async (tx) => {
        for (const [table, count] of counts) await checkCount(tx, table, count)
        for (const [table, column] of Object.entries(counters)) {
          await tx.one(
            `SELECT setval(pg_get_serial_sequence('${table}', '${column}'), greatest(max(${column}), 1), max(${column}) IS NOT NULL)
             FROM ${table}`,
          )
        }
        await adoptPositions(tx)
        await noteMoveFinished(tx, id)
      })
      // The first questions are to be planned for what is there now.
      for (const table of [...tables, 'chunks']) await db.run(`ANALYZE ${table}`)
    },
  }
}

async function forgetChunks(tx: Queries, { id, attempt }: Part): Promise<void> {
  await tx.run('DELETE FROM chunks WHERE download_id = :id AND attempt = :attempt', { id, attempt })
}

/** Columns of a table by name, with their types. */
function createTypes(db: Queries): (table: Table) => Promise<ReadonlyMap<string, string>> {
  const known = new Map<Table, ReadonlyMap<string, string>>()
  return async (table) => {
    const before = known.get(table)
    if (before) return before
    const rows = await db.query(
      `SELECT attname::text AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
       WHERE attrelid = :table::text::regclass AND attnum > 0 AND NOT attisdropped`,
      { table },
    )
    const types = new Map(rows.map((row) => [String(row['name']), String(row['type'])]))
    known.set(table, types)
    return types
  }
}

/** Of SQLite, true is 1; and PostgreSQL has no text with a NUL in it. */
function valueOf(value: unknown, type: string): unknown {
  if (value === null) return null
  if (type === 'boolean') return toBoolean(value)
  return typeof value === 'string' ? value.replaceAll('\0', '\u{FFFD}') : value
}

/** @throws MoveError for a database that anybody uses, or has used */
async function checkEmpty(tx: Queries): Promise<void> {
  const move = await findMove(tx)
  if (move) {
    const what = move.finished ? `${move.source} was moved here` : `a move of ${move.source} to here is not finished`
    throw new MoveError('not-empty', `The new database is not empty: ${what}. Name another TO_DATABASE_URL.`)
  }
  if (await tx.one('SELECT 1 FROM servers WHERE alive_until > clock_timestamp() LIMIT 1'))
    throw new MoveError('in-use', 'A server is using the new database; stop it first.')
  for (const table of telling) {
    if (!(await tx.one(`SELECT 1 FROM ${table} LIMIT 1`))) continue
    throw new MoveError('not-empty', `The new database is not empty: it has ${table}. Make a new one for the move.`)
  }
}

async function checkCount(tx: Queries, table: Table, count: number): Promise<void> {
  const row = await tx.one(`SELECT count(*) AS count FROM ${table}`)
  const there = Number(row?.['count'])
  // Only of secrets it has one of its own.
  if (there === count || (table === 'secrets' && there > count)) return
  const what = `The new database has ${there} rows of ${table}, and the old one ${count}`
  throw new MoveError('not-empty', `${what}: something else writes to it. Make a new one, and move again.`)
}
