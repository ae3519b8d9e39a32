import type { Chunk, JobStore } from '../../ports.ts'
import { createChunkInserts } from './chunk-inserts.ts'
import type { Database } from './database.ts'
import { toChunk } from '../rows.ts'
import type { Wal } from './wal.ts'

type ChunkStore = Pick<JobStore, 'insertChunk' | 'overlappingChunks' | 'chunksFrom' | 'received' | 'forgetChunks'>

/** The chunks' rows. As rows of one attempt never overlap, they are in the order of their ends, too. */
export function createChunkStore({ db, wal }: { db: Database; wal: Wal }): ChunkStore {
  const overlapping = (id: string, attempt: number, start: number, end: number): Chunk[] =>
    db
      .all(
        `SELECT * FROM chunks WHERE download_id = :id AND attempt = :attempt AND start < :end AND end > :start
         AND start >= coalesce((SELECT max(start) FROM chunks WHERE download_id = :id AND attempt = :attempt AND start <= :start), 0)
         ORDER BY start`,
        { id, attempt, start, end },
      )
      .map(toChunk)

  return {
    insertChunk: createChunkInserts({ db, wal, overlapping }),

    overlappingChunks: async (id, attempt, range) => overlapping(id, attempt, range.start, range.end),

    async chunksFrom(id, attempt, from, limit) {
      return db
        .all(
          `SELECT * FROM chunks WHERE download_id = :id AND attempt = :attempt AND end > :from
           AND start >= coalesce((SELECT max(start) FROM chunks WHERE download_id = :id AND attempt = :attempt AND start <= :from), 0)
           ORDER BY start LIMIT +:limit`,
          { id, attempt, from, limit },
        )
        .map(toChunk)
    },

    async received(id, attempt) {
      // Joined by the database: of a large file there are more rows than should be in memory at once.
      const rows = db.all(
        `SELECT min(start) AS start, max(end) AS end FROM (
           SELECT start, end, sum(apart) OVER (ORDER BY start) AS run FROM (
             SELECT start, end, start <> coalesce(lag(end) OVER (ORDER BY start), -1) AS apart
             FROM chunks WHERE download_id = :id AND attempt = :attempt))
         GROUP BY run ORDER BY start`,
        { id, attempt },
      )
      return rows.map((row) => ({ start: Number(row['start']), end: Number(row['end']) }))
    },

    async forgetChunks(id, attempt) {
      db.run('DELETE FROM chunks WHERE download_id = :id AND attempt = :attempt', { id, attempt })
    },
  }
}
