import { DatabaseSync } from 'node:sqlite'
import type { Chunk } from '../../ports.ts'
import { primaryCode } from './codes.ts'
import { NewerDatabaseError } from '../newer-database.ts'
import { textOrNull, toChunk } from '../rows.ts'
import { migrations } from './schema.ts'
import { versionOf } from './migrate.ts'

/** A finished file that the rows promise. */
export interface Finished {
  id: string
  name: string
  /** Bytes. */
  size: number
  sha256: string | null
}

/** A part that the rows promise: an attempt under way, one that is verified, or one that is kept for a retry. */
export interface Promised {
  id: string
  attempt: number
  /** It came in one request: without any of its bytes, the others are of no use. */
  whole: boolean
  /** Of the whole file, in bytes. */
  size: number
  /** Bytes that its rows say are there. */
  received: number
}

/** A copy of a database that nobody else uses, and what its rows promise of the bytes beside it. */
export interface Snapshot {
  /** How many migrations it has had. */
  version: number
  totals(): { files: number; bytes: number }
  /** In the order of their making; rows may be changed meanwhile. */
  finished(): Iterable<Finished>
  promised(): Iterable<Promised>
  /** The rows of an attempt, by offset; they may be forgotten meanwhile. */
  chunks(part: { id: string; attempt: number }): Iterable<Chunk>
  /** The file is not there: as if it had been removed. @param at epoch ms */
  forgetFinished(id: string, at: number): void
  /** None of the attempt's bytes count: it is queued for another, or has no part to retry with. */
  forgetPromised(part: { id: string; attempt: number }): void
  /** These bytes are not there: they count as not received. */
  forgetChunk(part: { id: string; attempt: number }, chunk: Chunk): void
  close(): void
}

/** How long a lock that a server holds for a moment is waited for, in ms. */
const PATIENCE = 10_000
const PAGE = 500

/** Word for word as in the partial index of the schema. */
const FINISHED = `status = 'completed' AND removed_at IS NULL`
/** One that comes in one request cannot be gone on with. */
const PROMISED = `source IS NOT NULL AND size IS NOT NULL AND (status = 'verifying'
  OR whole = 0 AND status IN ('queued', 'transferring', 'failed', 'expired'))`

/**
 * Writes a database, as it is at one moment, into a new file, whose rows and indexes are made anew. Whoever uses the
 * database goes on meanwhile. It is not synced yet.
 * @throws NewerDatabaseError, and what SQLite says
 */
export function copyDatabase(from: string, to: string): void {
  const db = new DatabaseSync(from, { readOnly: true, timeout: PATIENCE })
  try {
    const version = versionOf(db)
    if (version > migrations.length) throw new NewerDatabaseError(version, migrations.length)
    if (version === 0) throw new Error(`${from} is not the database of a server that has ever started`)
    db.prepare('VACUUM INTO ?').run(to)
  } finally {
    db.close()
  }
}

/**
 * The id of the first download ever: what is restored keeps it, and no other server has it.
 * @returns undefined where there is none, or the copy is missing or damaged
 */
export function firstOf(path: string): string | undefined {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true })
    return textOrNull(db.prepare('SELECT id FROM downloads ORDER BY seq LIMIT 1').get()?.['id']) ?? undefined
  } catch (error) {
    if (primaryCode(error) === undefined) throw error
    return undefined
  } finally {
    db?.close()
  }
}

/** What the server's own rows say by now. */
export interface Live {
  /** The name of an attempt's finished file, once it is completed. */
  nameOf(part: { id: string; attempt: number }): string | undefined
  /** Whether a download's finished file was removed, as far as its row knows. */
  isRemoved(id: string): boolean
  close(): void
}

/** Opens a database that a server is using, for reading. */
export function openLive(path: string): Live {
  const db = new DatabaseSync(path, { readOnly: true, timeout: PATIENCE })
  const completed = db.prepare(`SELECT name FROM downloads WHERE id = :id AND attempt = :attempt AND ${FINISHED}`)
  const finished = db.prepare(`SELECT 1 FROM downloads WHERE id = :id AND ${FINISHED}`)
  return {
    nameOf({ id, attempt }) {
      const name = completed.get({ id, attempt })?.['name']
      return typeof name === 'string' ? name : undefined
    },
    isRemoved: (id) => finished.get({ id }) === undefined,
    close: () => db.close(),
  }
}

/** Opens a copy of a database. @throws NewerDatabaseError */
export function openSnapshot(path: string): Snapshot {
  const db = new DatabaseSync(path)
  // It counts once it was closed and synced; until then, there is no backup.
  db.exec('PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384')
  const version = versionOf(db)
  if (version > migrations.length) {
    db.close()
    throw new NewerDatabaseError(version, migrations.length)
  }

  const run = (sql: string, parameters: Record<string, string | number>): number =>
    Number(db.prepare(sql).run(parameters).changes)

  /** Page by page, so that rows may be changed between two of them. */
  function* pages(condition: string): Generator<Record<string, unknown>> {
    const page = db.prepare(`SELECT * FROM downloads WHERE ${condition} AND seq > :after ORDER BY seq LIMIT ${PAGE}`)
    for (let after = 0; ;) {
      const rows = page.all({ after })
      yield* rows
      if (rows.length < PAGE) return
      after = Number(rows.at(-1)?.['seq'])
    }
  }

  return {
    version,

    totals() {
      const count = (what: string, condition: string): { files: number; bytes: number } => {
        const row = db
          .prepare(`SELECT count(*) AS files, sum(${what}) AS bytes FROM downloads WHERE ${condition}`)
          .get()
        return { files: Number(row?.['files']), bytes: Number(row?.['bytes'] ?? 0) }
      }
      const [finished, promised] = [count('size', FINISHED), count('bytes_received', PROMISED)]
      return { files: finished.files + promised.files, bytes: finished.bytes + promised.bytes }
    },

    *finished() {
      for (const { id, name, size, sha256 } of pages(`${FINISHED} AND name IS NOT NULL`)) {
        yield {
          id: String(id),
          name: String(name),
          size: Number(size),
          sha256: textOrNull(sha256),
        }
      }
    },

    *promised() {
      for (const { id, attempt, whole, size, bytes_received } of pages(PROMISED)) {
        yield {
          id: String(id),
          attempt: Number(attempt),
          whole: whole === 1,
          size: Number(size),
          received: Number(bytes_received),
        }
      }
    },

    *chunks({ id, attempt }) {
      const page = db.prepare(
        `SELECT * FROM chunks WHERE download_id = :id AND attempt = :attempt AND start > :after ORDER BY start LIMIT ${PAGE}`,
      )
      for (let after = -1; ;) {
        const rows = page.all({ id, attempt, after })
        yield* rows.map(toChunk)
        if (rows.length < PAGE) return
        after = Number(rows.at(-1)?.['start'])
      }
    },

    forgetFinished(id, at) {
      run('UPDATE downloads SET removed_at = :at, name = NULL WHERE id = :id', { id, at })
      run('DELETE FROM chunks WHERE download_id = :id', { id })
    },

    forgetPromised({ id, attempt }) {
      run('DELETE FROM chunks WHERE download_id = :id AND attempt = :attempt', { id, attempt })
      run('UPDATE downloads SET source = NULL, bytes_received = 0 WHERE id = :id', { id })
      const underWay = `id = :id AND status IN ('transferring', 'verifying')`
      run(`UPDATE downloads SET status = 'queued', sha256 = NULL WHERE ${underWay}`, { id })
    },

    forgetChunk({ id, attempt }, { start, end }) {
      const where = { id, attempt, start }
      run('DELETE FROM chunks WHERE download_id = :id AND attempt = :attempt AND start = :start', where)
      run('UPDATE downloads SET bytes_received = bytes_received - :length WHERE id = :id', { id, length: end - start })
      // What is not whole is the agent's again.
      const verified = `id = :id AND status = 'verifying'`
      run(`UPDATE downloads SET status = 'transferring', sha256 = NULL WHERE ${verified}`, { id })
    },

    close: () => db.close(),
  }
}
