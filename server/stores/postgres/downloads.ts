import type { JobStore, Transition } from '../../ports.ts'
import { unfinishedStatuses } from '../../../shared/protocol.ts'
import { FINISHED, HALF_REMOVED, KEPT_PART, OPEN, TAKING_UP } from '../conditions.ts'
import { nameKey } from '../names.ts'
import { nameTaken } from '../refusals.ts'
import { assignments, toClient, toCount, toDownload, type Row } from '../rows.ts'
import type { Database, Queries } from './database.ts'
import { LOCK_DOWNLOADS } from './locks.ts'

type DownloadStore = Pick<
  JobStore,
  | 'findDownload'
  | 'openJobs'
  | 'transition'
  | 'addResent'
  | 'expired'
  | 'outstandingBytes'
  | 'usedBytes'
  | 'keptParts'
  | 'wholeUploads'
  | 'contentToRemove'
  | 'countOpen'
  | 'forgetIdempotencyKeys'
>

/** The downloads' rows. Every change raises the client's revision in its own transaction where the agent must hear of it. */
export function createDownloadStore({ db }: { db: Database }): DownloadStore {
  return {
    async findDownload(id) {
      const row = await db.one('SELECT * FROM downloads WHERE id = :id', { id })
      return row && toDownload(row)
    },

    async openJobs(clientId, limit) {
      // One statement sees one moment.
      const row = await db.one(
        `SELECT clients.*, (
           SELECT coalesce(json_agg(job ORDER BY job.priority DESC, job.seq), '[]') FROM (
             SELECT * FROM downloads WHERE client_id = :clientId AND ${OPEN} ORDER BY priority DESC, seq LIMIT :limit) AS job
         ) AS jobs FROM clients WHERE id = :clientId`,
        { clientId, limit },
      )
      if (!row) return { client: undefined, jobs: [] }
      return { client: toClient(row), jobs: (row['jobs'] as Row[]).map(toDownload) }
    },

    transition: (change) => db.transaction((tx) => carryOut(tx, change)),

    async addResent(id, bytes) {
      await db.run('UPDATE downloads SET bytes_resent = bytes_resent + :bytes WHERE id = :id', { id, bytes })
    },

    async expired(now, limit) {
      const rows = await db.query(
        `SELECT id FROM downloads WHERE ${OPEN} AND expires_at <= :now ORDER BY expires_at LIMIT :limit`,
        { now, limit },
      )
      return rows.map((row) => String(row['id']))
    },

    async outstandingBytes(except = '') {
      const row = await db.one(
        `SELECT sum(size - bytes_received) AS bytes FROM downloads WHERE status = 'transferring' AND size IS NOT NULL AND id <> :except`,
        { except },
      )
      return Number(row?.['bytes'] ?? 0)
    },

    async usedBytes(clientId, except) {
      const row = await db.one(
        `SELECT sum(size) AS bytes FROM downloads WHERE client_id = :clientId AND ${TAKING_UP} AND id <> :except`,
        { clientId, except },
      )
      return Number(row?.['bytes'] ?? 0)
    },

    async keptParts(limit) {
      const sql = `SELECT * FROM downloads WHERE ${KEPT_PART} ORDER BY completed_at LIMIT :limit`
      return (await db.query(sql, { limit })).map(toDownload)
    },

    async wholeUploads(limit) {
      const sql = `SELECT * FROM downloads WHERE status = 'transferring' AND whole ORDER BY seq LIMIT :limit`
      return (await db.query(sql, { limit })).map(toDownload)
    },

    async contentToRemove(completedBefore, limit) {
      const begun = await db.query(`SELECT id FROM downloads WHERE ${HALF_REMOVED} LIMIT :limit`, { limit })
      const old = await db.query(
        `SELECT id FROM downloads WHERE ${FINISHED} AND completed_at < :completedBefore ORDER BY completed_at LIMIT :limit`,
        { completedBefore, limit },
      )
      return [...begun, ...old].slice(0, limit).map((row) => String(row['id']))
    },

    async countOpen() {
      // Each status by its name: PostgreSQL looks at the whole table for one that could be any.
      const counts = unfinishedStatuses.map((status) => {
        const those = `downloads WHERE status = '${status}'`
        return `SELECT '${status}' AS status, count(*) AS count, (SELECT created_at FROM ${those} ORDER BY seq LIMIT 1) AS oldest FROM ${those}`
      })
      const rows = await db.query(counts.join(' UNION ALL '))
      return unfinishedStatuses.map((status) =>
        toCount(
          status,
          rows.find((each) => each['status'] === status),
        ),
      )
    },

    async forgetIdempotencyKeys(before) {
      await db.run('DELETE FROM idempotency WHERE created_at < :before', { before })
    },
  }
}

async function carryOut(
  tx: Queries,
  { id, from, attempt, session, set }: Transition,
): ReturnType<JobStore['transition']> {
  const { sql, parameters } = assignments(set)
  const inVain = set.bytesReceived === undefined ? '' : ', bytes_resent = bytes_resent + bytes_received'
  const conditions = ['id = :id', 'status = ANY(:from::text[])']
  if (attempt !== undefined) conditions.push('attempt = :attempt')
  if (session !== undefined) {
    // A statement that waits sees other rows as they were before: the session is read by one that begins under the locks.
    await tx.query(LOCK_DOWNLOADS, { ids: [id] })
    conditions.push('EXISTS (SELECT 1 FROM clients WHERE clients.id = client_id AND clients.session = :session)')
  }
  const changed = await tx.one(`UPDATE downloads SET ${sql}${inVain} WHERE ${conditions.join(' AND ')} RETURNING *`, {
    ...parameters,
    id,
    from,
    ...(attempt === undefined ? {} : { attempt }),
    ...(session === undefined ? {} : { session }),
  })
  if (!changed) return undefined
  if (set.name) await claimName(tx, id, set.name)
  if (set.status && set.status !== 'transferring') {
    await tx.run('UPDATE clients SET rev = rev + 1 WHERE id = :client', { client: String(changed['client_id']) })
  }
  return toDownload(changed)
}

/** Who comes with a name that another transaction has just claimed waits for its end. */
async function claimName(tx: Queries, id: string, name: string): Promise<void> {
  const key = nameKey(name)
  const claimed = await tx.run('INSERT INTO names (key, download_id) VALUES (:key, :id) ON CONFLICT (key) DO NOTHING', {
    key,
    id,
  })
  if (claimed > 0) return
  const owner = await tx.one('SELECT download_id FROM names WHERE key = :key', { key })
  if (owner?.['download_id'] !== id) throw nameTaken(name)
}
