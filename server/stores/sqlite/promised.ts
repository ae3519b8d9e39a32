import type { DatabaseSync } from 'node:sqlite'
import { FINISHED } from '../conditions.ts'
import type { Chunk } from '../../ports.ts'
import { textOrNull, toChunk } from '../rows.ts'

/** A finished file that the rows promise. */
export interface Finished {
  id: string
  /** The one that it was made of. */
  attempt: number
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

export interface Total {
  files: number
  bytes: number
}

/** What a database's rows promise of the bytes beside it. */
export interface Promises {
  totals(): Total & { finished: Total; parts: Total }
  /** In the order of their making; rows may be changed meanwhile. */
  finished(): Iterable<Finished>
  promised(): Iterable<Promised>
  /** The rows of an attempt, by offset; they may be forgotten meanwhile. */
  chunks(part: { id: string; attempt: number }): Iterable<Chunk>
}

const PAGE = 500

/** One that comes in one request cannot be gone on with. */
const PROMISED = `source IS NOT NULL AND size IS NOT NULL AND (status = 'verifying'
  OR whole = 0 AND status IN ('queued', 'transferring', 'failed', 'expired'))`

/** Reads what a database of any version promises. */
export function readPromises(db: DatabaseSync): Promises {
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

  const count = (what: string, condition: string): Total => {
    const row = db.prepare(`SELECT count(*) AS files, sum(${what}) AS bytes FROM downloads WHERE ${condition}`).get()
    return { files: Number(row?.['files']), bytes: Number(row?.['bytes'] ?? 0) }
  }

  return {
    totals() {
      const [finished, parts] = [count('size', FINISHED), count('bytes_received', PROMISED)]
      return { files: finished.files + parts.files, bytes: finished.bytes + parts.bytes, finished, parts }
    },

    *finished() {
      for (const { id, attempt, name, size, sha256 } of pages(`${FINISHED} AND name IS NOT NULL`)) {
        yield {
          id: String(id),
          attempt: Number(attempt),
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
  }
}
