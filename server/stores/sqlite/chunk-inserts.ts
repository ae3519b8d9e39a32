import type { Chunk, CommitState, JobStore } from '../../ports.ts'
import { createChunkQueue, refusedOrReplayed, type Outcome, type Waiting } from '../chunk-queue.ts'
import { textOrNull, toDownload } from '../rows.ts'
import type { Database } from './database.ts'
import type { Wal } from './wal.ts'

export interface ChunkInsertsDeps {
  db: Database
  wal: Wal
  /** The rows of an attempt that share a byte with [start, end). */
  overlapping: (id: string, attempt: number, start: number, end: number) => Chunk[]
}

/** Inserts chunks: those that come while others are being made durable go together, in one transaction with one sync. */
export function createChunkInserts({ db, wal, overlapping }: ChunkInsertsDeps): JobStore['insertChunk'] {
  const stateFor = (id: string, attempt: number, { start, end }: Chunk): CommitState => {
    const row = db.one(
      'SELECT downloads.*, clients.session AS session FROM downloads JOIN clients ON clients.id = client_id WHERE downloads.id = :id',
      { id },
    )
    return {
      download: row && toDownload(row),
      session: textOrNull(row?.['session']),
      overlapping: overlapping(id, attempt, start, end),
    }
  }

  /** @returns its length in bytes */
  const insert = (id: string, attempt: number, chunk: Chunk): number => {
    db.run(
      'INSERT INTO chunks (download_id, attempt, start, end, digest, tag) VALUES (:id, :attempt, :start, :end, :digest, :tag)',
      { id, attempt, ...chunk },
    )
    const length = chunk.end - chunk.start
    db.run('UPDATE downloads SET bytes_received = bytes_received + :length WHERE id = :id', { id, length })
    return length
  }

  /** Within a transaction. */
  const insertOne = ({ id, attempt, chunk, check }: Waiting): Outcome => {
    const state = stateFor(id, attempt, chunk)
    const otherwise = refusedOrReplayed(check, state)
    if (otherwise) return otherwise
    const length = insert(id, attempt, chunk)
    const { download } = state
    return { download: download && { ...download, bytesReceived: download.bytesReceived + length } }
  }

  const insertAll = async (chunks: readonly Waiting[]): Promise<Outcome[]> => {
    await wal.usable()
    const outcomes = db.transaction(() => chunks.map(insertOne))
    await wal.settled()
    return outcomes
  }

  return createChunkQueue(insertAll, { lanes: 1 })
}
