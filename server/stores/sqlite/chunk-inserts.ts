import type { Chunk, CommitState, DownloadRecord, JobStore } from '../../ports.ts'
import { coalesce } from '../../../shared/coalesce.ts'
import type { Database } from './database.ts'
import { toDownload } from '../rows.ts'
import type { Wal } from './wal.ts'

export interface ChunkInsertsDeps {
  db: Database
  wal: Wal
  /** The rows of an attempt that share a byte with [start, end). */
  overlapping: (id: string, attempt: number, start: number, end: number) => Chunk[]
}

/** A chunk on its way into the next transaction. */
interface Waiting {
  id: string
  attempt: number
  chunk: Chunk
  check: (state: CommitState) => 'insert' | 'replay'
  resolve(download: DownloadRecord | undefined): void
  reject(error: unknown): void
}

type Outcome = { download: DownloadRecord | undefined } | { refusal: unknown }

/** Inserts chunks: those that come while others are being made durable go together, in one transaction with one sync. */
export function createChunkInserts({ db, wal, overlapping }: ChunkInsertsDeps): JobStore['insertChunk'] {
  const stateFor = (id: string, attempt: number, { start, end }: Chunk): CommitState => {
    const row = db.one(
      'SELECT downloads.*, clients.session AS session FROM downloads JOIN clients ON clients.id = client_id WHERE downloads.id = :id',
      { id },
    )
    const session = row?.['session']
    return {
      download: row && toDownload(row),
      session: typeof session === 'string' ? session : null,
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

  /** Within a transaction. What the check throws refuses this chunk alone; any other failure is everybody's. */
  const insertOne = ({ id, attempt, chunk, check }: Waiting): Outcome => {
    const state = stateFor(id, attempt, chunk)
    let verdict: 'insert' | 'replay'
    try {
      verdict = check(state)
    } catch (error) {
      return { refusal: error }
    }
    if (verdict === 'replay') return { download: undefined }
    const length = insert(id, attempt, chunk)
    const { download } = state
    return { download: download && { ...download, bytesReceived: download.bytesReceived + length } }
  }

  let queue: Waiting[] = []

  const insertQueued = async (): Promise<void> => {
    // Whatever else this turn of the event loop brings comes along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    const chunks = queue
    queue = []
    try {
      await wal.usable()
      const outcomes = db.transaction(() => chunks.map(insertOne))
      await wal.settled()
      for (const [index, outcome] of outcomes.entries()) {
        if ('refusal' in outcome) chunks[index]?.reject(outcome.refusal)
        else chunks[index]?.resolve(outcome.download)
      }
    } catch (error) {
      for (const { reject } of chunks) reject(error)
    }
  }

  const insertSoon = coalesce(insertQueued)

  return (id, attempt, chunk, check) => {
    const { promise, resolve, reject } = Promise.withResolvers<DownloadRecord | undefined>()
    queue.push({ id, attempt, chunk, check, resolve, reject })
    void insertSoon()
    return promise
  }
}
