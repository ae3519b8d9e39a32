import type { AccessStore, CredentialRecord } from '../../access-ports.ts'
import { toCredential } from '../access-rows.ts'
import { textOrNull } from '../rows.ts'
import type { Database, Queries, Row } from './database.ts'
import { revoke } from './tokens.ts'

type CredentialRows = Pick<
  AccessStore,
  | 'enrol'
  | 'addNextCredential'
  | 'findCredential'
  | 'findBearer'
  | 'listCredentials'
  | 'proveCredential'
  | 'revokeCredential'
  | 'revokeClient'
>

const IN_FORCE = 'client_id = :clientId AND revoked_at IS NULL'

/** The rows of credentials. Whatever changes those of a client waits for whoever else does: one looks at all of them. */
export function createCredentialRows({ db }: { db: Database }): CredentialRows {
  /** Runs `work` alone with the credentials of one client, and sees all that was done before. */
  const aloneWith = <T>(clientId: string, work: (tx: Queries) => Promise<T>): Promise<T> =>
    db.transaction(async (tx) => {
      await tx.one(`SELECT pg_advisory_xact_lock(hashtextextended('client ' || :clientId::text, 0))`, { clientId })
      return work(tx)
    })

  /** The same with the client of a credential, which never changes; undefined when there is no such credential. */
  const aloneWithOwner = async <T>(id: string, work: (tx: Queries) => Promise<T>): Promise<T | undefined> => {
    const row = await db.one('SELECT client_id FROM credentials WHERE id = :id', { id })
    return row && aloneWith(String(row['client_id']), work)
  }

  return {
    enrol({ enrolmentId, mayReplace }, credential, hash) {
      const { clientId, publicKey } = credential
      return aloneWith(clientId, async (tx) => {
        const again = await tx.one(
          `SELECT * FROM credentials WHERE public_key = :publicKey AND enrolment_id = :enrolmentId AND ${IN_FORCE}`,
          { clientId, publicKey, enrolmentId },
        )
        if (again) return toCredential(again)
        if (await isRevoked(tx, publicKey)) return 'revoked'
        if (!mayReplace && (await hasCredential(tx, clientId))) return 'refused'
        const taken = await tx.run(
          'UPDATE enrolments SET uses_left = uses_left - 1 WHERE id = :enrolmentId AND uses_left > 0 AND revoked_at IS NULL',
          { enrolmentId },
        )
        if (taken === 0) return 'spent'
        await insertCredential(tx, credential, hash)
        return credential
      })
    },

    addNextCredential(credential, by) {
      const { clientId, publicKey } = credential
      return aloneWith(clientId, async (tx) => {
        const proving = await tx.one(`SELECT enrolment_id FROM credentials WHERE id = :by AND ${IN_FORCE}`, {
          by,
          clientId,
        })
        if (!proving) return 'refused'
        if (await isRevoked(tx, publicKey)) return 'revoked'
        const again = await tx.one(`SELECT * FROM credentials WHERE public_key = :publicKey AND ${IN_FORCE}`, {
          publicKey,
          clientId,
        })
        // A lost answer is answered the same.
        if (again) return toCredential(again)
        // One that was asked for before, and never used, has no more rights than this one.
        const unused = await tx.query(
          `SELECT id FROM credentials WHERE proven_at IS NULL AND id <> :by AND ${IN_FORCE}`,
          { by, clientId },
        )
        await revokeAll(tx, unused, credential.createdAt)
        const next = { ...credential, enrolmentId: textOrNull(proving['enrolment_id']) }
        await insertCredential(tx, next, null)
        return next
      })
    },

    async findCredential(id) {
      const row = await db.one('SELECT * FROM credentials WHERE id = :id', { id })
      return row && toCredential(row)
    },
    async findBearer(hash) {
      const row = await db.one('SELECT * FROM credentials WHERE hash = :hash', { hash })
      return row && toCredential(row)
    },
    async listCredentials(clientId) {
      const rows =
        clientId === undefined
          ? await db.query('SELECT * FROM credentials ORDER BY client_id, created_at, id')
          : await db.query('SELECT * FROM credentials WHERE client_id = :clientId ORDER BY created_at, id', {
              clientId,
            })
      return rows.map(toCredential)
    },

    async proveCredential(id, at) {
      const revoked = await aloneWithOwner(id, async (tx) => {
        await tx.run('UPDATE credentials SET proven_at = :at WHERE id = :id AND proven_at IS NULL', { id, at })
        // One that was revoked while its proof was looked at takes nobody's place.
        const older = await tx.query(
          `SELECT old.id FROM credentials AS new JOIN credentials AS old ON old.client_id = new.client_id
           WHERE new.id = :id AND new.revoked_at IS NULL AND old.seq < new.seq AND old.revoked_at IS NULL`,
          { id },
        )
        return revokeAll(tx, older, at)
      })
      return revoked ?? []
    },
    async revokeCredential(id, at) {
      const revoked = await aloneWithOwner(id, async (tx) => {
        // Whoever has this one can have told of a next: it must not be the way back.
        const next = await tx.query(
          `SELECT next.id FROM credentials AS own JOIN credentials AS next ON next.client_id = own.client_id
           WHERE own.id = :id AND own.revoked_at IS NULL AND next.seq > own.seq AND next.proven_at IS NULL
             AND next.revoked_at IS NULL AND next.enrolment_id IS NOT DISTINCT FROM own.enrolment_id`,
          { id },
        )
        await revokeAll(tx, next, at)
        return revokeOne(tx, id, at)
      })
      return revoked ?? false
    },
    revokeClient(clientId, at) {
      return aloneWith(clientId, async (tx) =>
        revokeAll(tx, await tx.query(`SELECT id FROM credentials WHERE ${IN_FORCE}`, { clientId }), at),
      )
    },
  }
}

/** What was revoked does not come back under another name. */
async function isRevoked(tx: Queries, publicKey: string | null): Promise<boolean> {
  const sql = 'SELECT 1 FROM credentials WHERE public_key = :publicKey AND revoked_at IS NOT NULL'
  return (await tx.one(sql, { publicKey })) !== undefined
}

async function hasCredential(tx: Queries, clientId: string): Promise<boolean> {
  return (await tx.one(`SELECT 1 FROM credentials WHERE ${IN_FORCE} LIMIT 1`, { clientId })) !== undefined
}

async function revokeOne(tx: Queries, id: string, at: number): Promise<boolean> {
  await tx.run('DELETE FROM session_tokens WHERE credential_id = :id', { id })
  return revoke(tx, 'credentials', id, at)
}

async function revokeAll(tx: Queries, rows: readonly Row[], at: number): Promise<string[]> {
  const ids = rows.map((row) => String(row['id']))
  for (const id of ids) await revokeOne(tx, id, at)
  return ids
}

async function insertCredential(tx: Queries, credential: CredentialRecord, hash: string | null): Promise<void> {
  const { id, clientId, publicKey, enrolmentId, createdAt, provenAt, revokedAt } = credential
  await tx.run(
    `INSERT INTO credentials (id, client_id, public_key, hash, enrolment_id, created_at, proven_at, revoked_at)
     VALUES (:id, :clientId, :publicKey, :hash, :enrolmentId, :createdAt, :provenAt, :revokedAt)`,
    { id, clientId, publicKey, hash, enrolmentId, createdAt, provenAt, revokedAt },
  )
}
