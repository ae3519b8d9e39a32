import type { Chunk, CommitState, DownloadRecord, JobStore } from '../../ports.ts'
import { createChunkQueue, refusedOrReplayed, type Outcome, type Waiting } from '../chunk-queue.ts'
import { textOrNull, toChunk, toDownload, type Row } from '../rows.ts'
import { overlappingSql } from './chunks-sql.ts'
import type { Database, Queries } from './database.ts'
import { LOCK_DOWNLOADS } from './locks.ts'

/** Transactions of one server that insert chunks at the same time; the database syncs those of all servers together. */
const LANES = 4

/** What the database says of a chunk: all of it is read after the locks were taken, so that it cannot change any more. */
type Found = Pick<CommitState, 'session' | 'overlapping'>

/** Inserts chunks: those of a lane that come while others are being made durable go together. */
export function createChunkInserts({ db }: { db: Database }): JobStore['insertChunk'] {
  /** Where nobody else is at work with the same downloads, no lock is held from one statement to the next. */
  const insertSeen = async (chunks: readonly Waiting[]): Promise<Outcome[]> => {
    const rows = await db.query('SELECT * FROM downloads WHERE id = ANY(:ids::text[])', { ids: idsOf(chunks) })
    const { outcomes, accepted } = await judged(db, chunks, rows)
    if (accepted.length === 0) return outcomes
    const inserted = await insertIfStillSo(db, accepted)
    const changed = new Set(accepted.filter(({ index }) => !inserted.has(index)).map(({ id }) => id))
    // What was said of others of the same download was said with these in mind.
    const again = chunks.flatMap(({ id }, index) => (changed.has(id) && !inserted.has(index) ? [index] : []))
    const locked = again.length === 0 ? [] : await insertLocked(again.map((index) => chunks[index]!))
    for (const [at, index] of again.entries()) outcomes[index] = locked[at]!
    for (const [index, download] of inserted) outcomes[index] = { download }
    return outcomes
  }

  const insertLocked = (chunks: readonly Waiting[]): Promise<Outcome[]> =>
    db.transaction(async (tx) => {
      const rows = await tx.query(LOCK_DOWNLOADS, { ids: idsOf(chunks) })
      // A statement sees what was committed before it began: the one that waited for the locks does not see enough.
      const { outcomes, accepted } = await judged(tx, chunks, rows)
      if (accepted.length > 0) await insert(tx, accepted)
      return outcomes
    })

  return createChunkQueue(insertSeen, { lanes: LANES })
}

const idsOf = (chunks: readonly Waiting[]): string[] => [...new Set(chunks.map(({ id }) => id))]

/** What the checks say of chunks, by what the database says now. */
async function judged(
  queries: Queries,
  chunks: readonly Waiting[],
  rows: readonly Row[],
): Promise<{ outcomes: Outcome[]; accepted: Accepted[] }> {
  const downloads = new Map(rows.map(toDownload).map((download) => [download.id, download]))
  return judge(chunks, downloads, await find(queries, chunks, downloads))
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

/** A chunk that its check let in, and what the check saw. */
interface Accepted extends Waiting {
  /** Its place among those that were judged. */
  index: number
  download: DownloadRecord | undefined
  found: Found
}

/** Asks the checks one after the other, each of which sees what those before it let in. */
function judge(
  chunks: readonly Waiting[],
  downloads: ReadonlyMap<string, DownloadRecord>,
  all: readonly Found[],
): { outcomes: Outcome[]; accepted: Accepted[] } {
  const current = new Map(downloads)
  const accepted: Accepted[] = []
  const outcomes = chunks.map((waiting, index): Outcome => {
    const { id, chunk, check } = waiting
    const found = all[index] ?? { session: null, overlapping: [] }
    const earlier = accepted.filter((other) => overlaps(waiting, other)).map((other) => other.chunk)
    const download = current.get(id)
    const overlapping = [...found.overlapping, ...earlier].toSorted(byStart)
    const otherwise = refusedOrReplayed(check, { download, session: found.session, overlapping })
    if (otherwise) return otherwise
    accepted.push({ ...waiting, index, download, found })
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

/** @returns the downloads of those that were inserted, with all that was, by their indexes */
async function insertIfStillSo(
  queries: Queries,
  accepted: readonly Accepted[],
): Promise<Map<number, DownloadRecord | undefined>> {
  // Not a SELECT: what was sent as the connection broke may have been done, and is not to be asked for again.
  const rows = await queries.query(
    `WITH inserted AS (SELECT * FROM insert_chunks(${COLUMNS}, :rowAttempts::bigint[], :statuses::text[], :sessions::text[], :sharing::bigint[]))
     SELECT * FROM inserted`,
    {
      ...columnsOf(accepted),
      rowAttempts: accepted.map(({ download }) => download?.attempt ?? null),
      statuses: accepted.map(({ download }) => download?.status ?? null),
      sessions: accepted.map(({ found }) => found.session),
      sharing: accepted.map(({ found }) => found.overlapping.length),
    },
  )
  /** Of each download, with all chunks of it that were inserted. */
  const received = new Map<string, number>()
  const inserted = new Map<number, DownloadRecord | undefined>()
  // From the last on: each counts those before it, and itself.
  for (const row of rows.toSorted((one, other) => Number(other['n']) - Number(one['n']))) {
    const { id, index, download, chunk } = accepted[Number(row['n']) - 1]!
    const bytesReceived = received.get(id) ?? Number(row['bytes_received'])
    received.set(id, bytesReceived - (chunk.end - chunk.start))
    inserted.set(index, download && { ...download, bytesReceived })
  }
  return inserted
}

const COLUMNS = ':ids::text[], :attempts::bigint[], :starts::bigint[], :ends::bigint[], :digests::text[], :tags::text[]'

const columnsOf = (chunks: readonly Waiting[]) => ({
  ids: chunks.map(({ id }) => id),
  attempts: chunks.map(({ attempt }) => attempt),
  starts: chunks.map(({ chunk }) => chunk.start),
  ends: chunks.map(({ chunk }) => chunk.end),
  digests: chunks.map(({ chunk }) => chunk.digest),
  tags: chunks.map(({ chunk }) => chunk.tag),
})

async function insert(tx: Queries, accepted: readonly Waiting[]): Promise<void> {
  await tx.run(
    `WITH added AS (
       INSERT INTO chunks (download_id, attempt, start, "end", digest, tag) SELECT * FROM unnest(${COLUMNS})
       RETURNING download_id, "end" - start AS length)
     UPDATE downloads SET bytes_received = bytes_received + sums.length
     FROM (SELECT download_id, sum(length)::bigint AS length FROM added GROUP BY download_id) AS sums
     WHERE downloads.id = sums.download_id`,
    columnsOf(accepted),
  )
}
