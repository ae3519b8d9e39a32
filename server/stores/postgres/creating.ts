import type { DownloadDraft, DownloadRecord, Idempotency, JobStore } from '../../ports.ts'
import { OPEN } from '../conditions.ts'
import { idempotencyMismatch, MOST_WAITING, tooManyWaiting } from '../refusals.ts'
import { toDownload } from '../rows.ts'
import type { Database, Queries } from './database.ts'

/** Makes downloads: a batch for thousands of clients in as few statements as one for a single client. */
export function createDownloadCreation({ db }: { db: Database }): Pick<JobStore, 'createDownloads'> {
  return {
    createDownloads: (drafts, idempotency) =>
      db.transaction(async (tx) => {
        const before = idempotency && (await claimKey(tx, idempotency, drafts))
        if (before) return { downloads: await find(tx, before), replayed: true }
        if (drafts.length === 0) return { downloads: [], replayed: false }
        // The clients' rows are locked by this, so that nobody else adds to what waits for them meanwhile.
        await raiseRevisions(tx, drafts)
        await checkWaiting(tx, drafts)
        return { downloads: await insert(tx, drafts), replayed: false }
      }),
  }
}

/**
 * Who comes with a key that another transaction has just taken waits for its end.
 * @returns the ids of what the key made before; undefined when it is new, and taken now
 */
async function claimKey(
  tx: Queries,
  { key, request }: Idempotency,
  drafts: readonly DownloadDraft[],
): Promise<string[] | undefined> {
  for (;;) {
    const taken = await tx.run(
      `INSERT INTO idempotency (key, request, download_ids, created_at) VALUES (:key, :request, :ids, :at)
       ON CONFLICT (key) DO NOTHING`,
      { key, request, ids: JSON.stringify(drafts.map(({ id }) => id)), at: drafts[0]?.createdAt ?? 0 },
    )
    if (taken > 0) return undefined
    const row = await tx.one('SELECT * FROM idempotency WHERE key = :key', { key })
    // It may have been forgotten between the two.
    if (!row) continue
    if (row['request'] !== request) throw idempotencyMismatch()
    return JSON.parse(String(row['download_ids'])) as string[]
  }
}

/** @returns in the order of `ids` */
async function find(tx: Queries, ids: readonly string[]): Promise<DownloadRecord[]> {
  const rows = await tx.query('SELECT * FROM downloads WHERE id = ANY(:ids::text[])', { ids })
  const found = new Map(rows.map((row) => [row['id'], toDownload(row)]))
  return ids.map((id) => found.get(id)!)
}

async function raiseRevisions(tx: Queries, drafts: readonly DownloadDraft[]): Promise<void> {
  await tx.run(
    `WITH added AS (SELECT id, count(*) AS more FROM unnest(:clients::text[]) AS given (id) GROUP BY id),
       locked AS MATERIALIZED (
         SELECT id FROM clients WHERE id = ANY(:clients::text[]) ORDER BY id FOR NO KEY UPDATE)
     UPDATE clients SET rev = rev + added.more FROM locked JOIN added ON added.id = locked.id WHERE clients.id = locked.id`,
    { clients: drafts.map(({ clientId }) => clientId) },
  )
}

async function checkWaiting(tx: Queries, drafts: readonly DownloadDraft[]): Promise<void> {
  const full = await tx.one(
    `SELECT added.client_id FROM (
       SELECT client_id, asked_by, count(*) AS more
       FROM unnest(:clients::text[], :askedBy::text[]) AS given (client_id, asked_by) GROUP BY client_id, asked_by) AS added
     WHERE added.more + (
       SELECT count(*) FROM (
         SELECT 1 FROM downloads WHERE client_id = added.client_id AND ${OPEN}
           AND asked_by IS NOT DISTINCT FROM added.asked_by LIMIT :most) AS waiting) > :most
     LIMIT 1`,
    {
      clients: drafts.map(({ clientId }) => clientId),
      askedBy: drafts.map(({ askedBy }) => askedBy),
      most: MOST_WAITING,
    },
  )
  if (full) throw tooManyWaiting(String(full['client_id']))
}

async function insert(tx: Queries, drafts: readonly DownloadDraft[]): Promise<DownloadRecord[]> {
  const rows = await tx.query(
    `INSERT INTO downloads (id, client_id, kind, path, priority, policy, note, batch_id, asked_by, naming, status, created_at, expires_in, expires_at)
     SELECT id, client_id, kind, path, priority, policy, note, batch_id, asked_by, naming, 'queued', created_at, expires_in, expires_at
     FROM unnest(:ids::text[], :clients::text[], :kinds::text[], :paths::text[], :priorities::bigint[], :policies::text[], :notes::text[],
         :batches::text[], :askedBy::text[], :namings::text[], :created::bigint[], :lasting::bigint[], :ends::bigint[])
       WITH ORDINALITY AS given (id, client_id, kind, path, priority, policy, note, batch_id, asked_by, naming, created_at, expires_in, expires_at, n)
     ORDER BY n RETURNING *`,
    {
      ids: drafts.map(({ id }) => id),
      clients: drafts.map(({ clientId }) => clientId),
      kinds: drafts.map(({ kind }) => kind),
      paths: drafts.map(({ path }) => path),
      priorities: drafts.map(({ priority }) => priority),
      policies: drafts.map(({ policy }) => policy),
      notes: drafts.map(({ note }) => note),
      batches: drafts.map(({ batchId }) => batchId),
      askedBy: drafts.map(({ askedBy }) => askedBy),
      namings: drafts.map(({ naming }) => naming),
      created: drafts.map(({ createdAt }) => createdAt),
      lasting: drafts.map(({ expiresIn }) => expiresIn),
      ends: drafts.map(({ expiresAt }) => expiresAt),
    },
  )
  return rows.map(toDownload).toSorted((a, b) => a.seq - b.seq)
}
