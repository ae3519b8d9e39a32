import type { Chunk, JobStore } from '../../ports.ts'
import type { Database } from './database.ts'
import { toChunk, toDownload } from './rows.ts'

type ChunkStore = Pick<JobStore, 'insertChunk' | 'overlappingChunks' | 'chunksFrom' | 'received' | 'forgetChunks'>

/** The chunks' rows. As rows of one attempt never overlap, they are in the order of their ends, too. */
export function createChunkStore({ db }: { db: Database }): ChunkStore {
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
    async insertChunk(id, attempt, chunk, check) {
      return db.transaction(() => {
        const row = db.one(
          'SELECT downloads.*, clients.session AS session FROM downloads JOIN clients ON clients.id = client_id WHERE downloads.id = :id',
          { id },
        )
        const session = row?.['session']
        const verdict = check({
          download: row && toDownload(row),
          session: typeof session === 'string' ? session : null,
          overlapping: overlapping(id, attempt, chunk.start, chunk.end),
        })
        if (verdict === 'replay') return verdict
        db.run(
          'INSERT INTO chunks (download_id, attempt, start, end, digest, tag) VALUES (:id, :attempt, :start, :end, :digest, :tag)',
          { id, attempt, ...chunk },
        )
        db.run('UPDATE downloads SET bytes_received = bytes_received + :length WHERE id = :id', {
          id,
          length: chunk.end - chunk.start,
        })
        return verdict
      })
    },

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
