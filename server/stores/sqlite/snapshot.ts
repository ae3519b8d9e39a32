import { DatabaseSync } from 'node:sqlite'
import type { Chunk } from '../../ports.ts'
import { primaryCode } from './codes.ts'
import { NewerDatabaseError } from '../newer-database.ts'
import { textOrNull } from '../rows.ts'
import { FINISHED } from '../conditions.ts'
import { readPromises, type Finished, type Promised, type Promises } from './promised.ts'
import { migrations } from './schema.ts'
import { versionOf } from './migrate.ts'

export type { Finished, Promised }

/** A copy of a database that nobody else uses, and what its rows promise of the bytes beside it. */
export interface Snapshot extends Promises {
  /** How many migrations it has had. */
  version: number
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

  return {
    version,
    ...readPromises(db),

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
