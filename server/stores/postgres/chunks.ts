import type { JobStore } from '../../ports.ts'
import { toChunk } from '../rows.ts'
import { createChunkInserts } from './chunk-inserts.ts'
import { overlappingSql } from './chunks-sql.ts'
import type { Database } from './database.ts'

type ChunkStore = Pick<JobStore, 'insertChunk' | 'overlappingChunks' | 'chunksFrom' | 'received' | 'forgetChunks'>

/** No row begins behind. */
const END_OF_ALL = Number.MAX_SAFE_INTEGER

/** The chunks' rows. As rows of one attempt never overlap, they are in the order of their ends, too. */
export function createChunkStore({ db }: { db: Database }): ChunkStore {
  return {
    insertChunk: createChunkInserts({ db }),

    async overlappingChunks(id, attempt, { start, end }) {
      const rows = await db.query(`${overlappingSql(':id', ':attempt', ':start', ':end')} ORDER BY start`, {
        id,
        attempt,
        start,
        end,
      })
      return rows.map(toChunk)
    },

    async chunksFrom(id, attempt, from, limit) {
      const rows = await db.query(`${overlappingSql(':id', ':attempt', ':from', ':end')} ORDER BY start LIMIT :limit`, {
        id,
        attempt,
        from,
        end: END_OF_ALL,
        limit,
      })
      return rows.map(toChunk)
    },

    async received(id, attempt) {
      // Joined by the database: of a large file there are more rows than should be in memory at once.
      const rows = await db.query(
        `SELECT min(start) AS start, max("end") AS "end" FROM (
           SELECT start, "end", sum(apart) OVER (ORDER BY start) AS run FROM (
             SELECT start, "end", (start <> coalesce(lag("end") OVER (ORDER BY start), -1))::integer AS apart
             FROM chunks WHERE download_id = :id AND attempt = :attempt) AS marked) AS runs
         GROUP BY run ORDER BY start`,
        { id, attempt },
      )
      return rows.map((row) => ({ start: Number(row['start']), end: Number(row['end']) }))
    },

    async forgetChunks(id, attempt) {
      await db.run('DELETE FROM chunks WHERE download_id = :id AND attempt = :attempt', { id, attempt })
    },
  }
}
