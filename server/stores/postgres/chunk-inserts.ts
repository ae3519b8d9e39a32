import type { Chunk, CommitState, DownloadRecord, JobStore } from '../../ports.ts'
import { createChunkQueue, refusedOrReplayed, type Outcome, type Waiting } from '../chunk-queue.ts'
import { textOrNull, toChunk, toDownload } from '../rows.ts'
import { overlappingSql } from './chunks-sql.ts'
import type { Database, Queries } from './database.ts'
import { LOCK_DOWNLOADS } from './locks.ts'

/** Transactions of one server that insert chunks at the same time; the database syncs those of all servers together. */
const LANES = 4

/** What the database says of a chunk: all of it is read after the locks were taken, so that it cannot change any more. */
type Found = Pick<CommitState, 'session' | 'overlapping'>

/** Inserts chunks: those of a lane that come while others are being made durable go together, in three statements. */
export function createChunkInserts({ db }: { db: Database }): JobStore['insertChunk'] {
  const insertAll = (chunks: readonly Waiting[]): Promise<Outcome[]> =>
    db.transaction(async (tx) => {
      const rows = await tx.query(LOCK_DOWNLOADS, { ids: [...new Set(chunks.map(({ id }) => id))] })
      const downloads = new Map(rows.map(toDownload).map((download) => [download.id, download]))
      // A statement sees what was committed before it began: the one that waited for the locks does not see enough.
      const found = await find(tx, chunks, downloads)
      const { outcomes, accepted } = judge(chunks, downloads, found)
      if (accepted.length > 0) await insert(tx, accepted)
      return outcomes
    })

  return createChunkQueue(insertAll, { lanes: LANES })
}

async function find(
  tx: Queries,
  chunks: readonly Waiting[],
  downloads: ReadonlyMap<string, DownloadRecord>,
): Promise<Found[]> {
  const rows = await tx.query(
    `SELECT wanted.n, clients.session, rows.* FROM
       unnest(:ids::text[], :clients::text[], :attempts::bigint[], :starts::bigint[], :ends::bigint[])
         WITH ORDINALITY AS wanted (id, client_id, attempt, start, "end", n)
       LEFT JOIN clients ON clients.id = wanted.client_id
       LEFT JOIN LATERAL (${overlappingSql('wanted.id', 'wanted.attempt', 'wanted.start', 'wanted."end"')}) AS rows ON TRUE
     ORDER BY wanted.n, rows.start`,
    {
      ids: chunks.map(({ id }) => id),
      clients: chunks.map(({ id }) => downloads.get(id)?.clientId ?? null),
      attempts: chunks.map(({ attempt }) => attempt),
      starts: chunks.map(({ chunk }) => chunk.start),
      ends: chunks.map(({ chunk }) => chunk.end),
    },
  )
  const found = chunks.map((): Found => ({ session: null, overlapping: [] }))
  for (const row of rows) {
    const own = found[Number(row['n']) - 1]
    if (!own) continue
    own.session = textOrNull(row['session'])
    if (row['start'] !== null) own.overlapping.push(toChunk(row))
  }
  return found
}

/** Asks the checks one after the other, each of which sees what those before it let in. */
function judge(
  chunks: readonly Waiting[],
  downloads: ReadonlyMap<string, DownloadRecord>,
  found: readonly Found[],
): { outcomes: Outcome[]; accepted: Waiting[] } {
  const current = new Map(downloads)
  const accepted: Waiting[] = []
  const outcomes = chunks.map((waiting, index): Outcome => {
    const { id, chunk, check } = waiting
    const { session = null, overlapping = [] } = found[index] ?? {}
    const earlier = accepted.filter((other) => overlaps(waiting, other)).map((other) => other.chunk)
    const download = current.get(id)
    const state = { download, session, overlapping: [...overlapping, ...earlier].toSorted(byStart) }
    const otherwise = refusedOrReplayed(check, state)
    if (otherwise) return otherwise
    accepted.push(waiting)
    if (!download) return { download }
    const counted = { ...download, bytesReceived: download.bytesReceived + chunk.end - chunk.start }
    current.set(id, counted)
    return { download: counted }
  })
  return { outcomes, accepted }
}

const byStart = (a: Chunk, b: Chunk): number => a.start - b.start

function overlaps(a: Waiting, b: Waiting): boolean {
  return a.id === b.id && a.attempt === b.attempt && a.chunk.start < b.chunk.end && b.chunk.start < a.chunk.end
}

async function insert(tx: Queries, accepted: readonly Waiting[]): Promise<void> {
  await tx.run(
    `WITH added AS (
       INSERT INTO chunks (download_id, attempt, start, "end", digest, tag)
       SELECT * FROM unnest(:ids::text[], :attempts::bigint[], :starts::bigint[], :ends::bigint[], :digests::text[], :tags::text[])
       RETURNING download_id, "end" - start AS length)
     UPDATE downloads SET bytes_received = bytes_received + sums.length
     FROM (SELECT download_id, sum(length)::bigint AS length FROM added GROUP BY download_id) AS sums
     WHERE downloads.id = sums.download_id`,
    {
      ids: accepted.map(({ id }) => id),
      attempts: accepted.map(({ attempt }) => attempt),
      starts: accepted.map(({ chunk }) => chunk.start),
      ends: accepted.map(({ chunk }) => chunk.end),
      digests: accepted.map(({ chunk }) => chunk.digest),
      tags: accepted.map(({ chunk }) => chunk.tag),
    },
  )
}
