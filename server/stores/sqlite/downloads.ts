import type { DownloadDraft, DownloadRecord, Idempotency, JobStore } from '../../ports.ts'
import { unfinishedStatuses } from '../../../shared/protocol.ts'
import { FINISHED, HALF_REMOVED, KEPT_PART, OPEN, TAKING_UP } from '../conditions.ts'
import type { Database, Parameters } from './database.ts'
import { nameKey } from '../names.ts'
import { idempotencyMismatch, MOST_WAITING, nameTaken, tooManyWaiting } from '../refusals.ts'
import { assignments, toClient, toCount, toDownload } from '../rows.ts'

type DownloadStore = Omit<
  JobStore,
  | 'findClient'
  | 'listClients'
  | 'clientsSeen'
  | 'listDownloads'
  | 'recordContacts'
  | 'recordConflict'
  | 'beginSession'
  | 'changeUpdate'
  | 'countAgents'
  | 'insertChunk'
  | 'overlappingChunks'
  | 'chunksFrom'
  | 'received'
  | 'forgetChunks'
  | 'close'
>

const WHOLE = `status = 'transferring' AND whole = 1`

/** The downloads' rows. Every change raises the client's revision in its own transaction where the agent must hear of it. */
export function createDownloadStore({ db }: { db: Database }): DownloadStore {
  const find = (id: string): DownloadRecord | undefined => {
    const row = db.one('SELECT * FROM downloads WHERE id = :id', { id })
    return row && toDownload(row)
  }

  return {
    async createDownloads(drafts, idempotency) {
      return db.transaction(() => {
        const before = idempotency && madeBefore(db, idempotency)
        if (before) return { downloads: before.map((id) => find(id)!), replayed: true }
        for (const draft of drafts) {
          checkWaiting(db, draft)
          insertDraft(db, draft)
        }
        const ids = drafts.map((draft) => draft.id)
        if (idempotency) {
          db.run(
            'INSERT INTO idempotency (key, request, download_ids, created_at) VALUES (:key, :request, :ids, :at)',
            {
              key: idempotency.key,
              request: idempotency.request,
              ids: JSON.stringify(ids),
              at: drafts[0]?.createdAt ?? 0,
            },
          )
        }
        return { downloads: ids.map((id) => find(id)!), replayed: false }
      })
    },

    findDownload: async (id) => find(id),

    async openJobs(clientId, limit) {
      // One connection, and nothing awaited between the two: they read the same moment.
      const client = db.one('SELECT * FROM clients WHERE id = :clientId', { clientId })
      const jobs = db.all(
        `SELECT * FROM downloads WHERE client_id = :clientId AND ${OPEN} ORDER BY priority DESC, seq LIMIT +:limit`,
        { clientId, limit },
      )
      return { client: client && toClient(client), jobs: jobs.map(toDownload) }
    },

    async transition({ id, from, attempt, session, set }) {
      return db.transaction(() => {
        const { sql, parameters } = assignments(set)
        const inVain = set.bytesReceived === undefined ? '' : ', bytes_resent = bytes_resent + bytes_received'
        const conditions = ['id = :id', 'status IN (SELECT value FROM json_each(:from))']
        if (attempt !== undefined) conditions.push('attempt = :attempt')
        if (session !== undefined) {
          conditions.push('EXISTS (SELECT 1 FROM clients WHERE clients.id = client_id AND clients.session = :session)')
        }
        const changed = db.one(`UPDATE downloads SET ${sql}${inVain} WHERE ${conditions.join(' AND ')} RETURNING *`, {
          ...withoutBooleans(parameters),
          id,
          from: JSON.stringify(from),
          ...(attempt === undefined ? {} : { attempt }),
          ...(session === undefined ? {} : { session }),
        })
        if (!changed) return undefined
        if (set.name) claimName(db, id, set.name)
        if (set.status && set.status !== 'transferring') raiseRevision(db, String(changed['client_id']))
        return toDownload(changed)
      })
    },

    async addResent(id, bytes) {
      db.run('UPDATE downloads SET bytes_resent = bytes_resent + :bytes WHERE id = :id', { id, bytes })
    },

    // SQLite must be told of some indexes: by itself it sorts every row of a status.
    async expired(now, limit) {
      const rows = db.all(
        `SELECT id FROM downloads INDEXED BY open_expiry WHERE ${OPEN} AND expires_at <= :now ORDER BY expires_at LIMIT +:limit`,
        { now, limit },
      )
      return rows.map((row) => String(row['id']))
    },

    async outstandingBytes(except = '') {
      const row = db.one(
        `SELECT sum(size - bytes_received) AS bytes FROM downloads WHERE status = 'transferring' AND size IS NOT NULL AND id <> :except`,
        { except },
      )
      return Number(row?.['bytes'] ?? 0)
    },

    async usedBytes(clientId, except) {
      const row = db.one(
        `SELECT sum(size) AS bytes FROM downloads WHERE client_id = :clientId AND ${TAKING_UP} AND id <> :except`,
        { clientId, except },
      )
      return Number(row?.['bytes'] ?? 0)
    },

    async keptParts(limit) {
      const sql = `SELECT * FROM downloads INDEXED BY kept_parts WHERE ${KEPT_PART} ORDER BY completed_at LIMIT +:limit`
      return db.all(sql, { limit }).map(toDownload)
    },

    async wholeUploads(limit) {
      const sql = `SELECT * FROM downloads WHERE ${WHOLE} ORDER BY seq LIMIT +:limit`
      return db.all(sql, { limit }).map(toDownload)
    },

    async contentToRemove(completedBefore, limit) {
      const begun = db.all(`SELECT id FROM downloads WHERE ${HALF_REMOVED} LIMIT +:limit`, { limit })
      const old = db.all(
        `SELECT id FROM downloads INDEXED BY finished WHERE ${FINISHED} AND completed_at < :completedBefore ORDER BY completed_at LIMIT +:limit`,
        { completedBefore, limit },
      )
      return [...begun, ...old].slice(0, limit).map((row) => String(row['id']))
    },

    async countOpen() {
      const indexed = 'downloads INDEXED BY downloads_by_status WHERE status = :status'
      return unfinishedStatuses.map((status) => {
        const row = db.one(
          `SELECT count(*) AS count, (SELECT created_at FROM ${indexed} ORDER BY seq LIMIT 1) AS oldest FROM ${indexed}`,
          { status },
        )
        return toCount(status, row)
      })
    },

    async forgetIdempotencyKeys(before) {
      db.run('DELETE FROM idempotency WHERE created_at < :before', { before })
    },
  }
}

function checkWaiting(db: Database, { clientId, askedBy }: DownloadDraft): void {
  const sql = `SELECT 1 FROM downloads WHERE client_id = :clientId AND ${OPEN} AND asked_by IS :askedBy LIMIT 1 OFFSET ${MOST_WAITING - 1}`
  if (!db.one(sql, { clientId, askedBy })) return
  throw tooManyWaiting(clientId)
}

function raiseRevision(db: Database, clientId: string): void {
  db.run('UPDATE clients SET rev = rev + 1 WHERE id = :clientId', { clientId })
}

function insertDraft(db: Database, draft: DownloadDraft): void {
  db.run(
    `INSERT INTO downloads (id, client_id, kind, path, priority, policy, note, batch_id, asked_by, naming, status, created_at, expires_in, expires_at)
     VALUES (:id, :clientId, :kind, :path, :priority, :policy, :note, :batchId, :askedBy, :naming, 'queued', :createdAt, :expiresIn, :expiresAt)`,
    { ...draft },
  )
  raiseRevision(db, draft.clientId)
}

/** SQLite has none. */
function withoutBooleans(parameters: Record<string, string | number | boolean | null>): Parameters {
  const entries = Object.entries(parameters)
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'boolean' ? Number(value) : value]))
}

function madeBefore(db: Database, { key, request }: Idempotency): string[] | undefined {
  const row = db.one('SELECT * FROM idempotency WHERE key = :key', { key })
  if (!row) return undefined
  if (row['request'] !== request) throw idempotencyMismatch()
  return JSON.parse(String(row['download_ids']))
}

function claimName(db: Database, id: string, name: string): void {
  const key = nameKey(name)
  const owner = db.one('SELECT download_id FROM names WHERE key = :key', { key })?.['download_id']
  if (owner === id) return
  if (owner !== undefined) throw nameTaken(name)
  db.run('INSERT INTO names (key, download_id) VALUES (:key, :id)', { key, id })
}
