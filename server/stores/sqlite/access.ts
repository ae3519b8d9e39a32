import { randomBytes } from 'node:crypto'
import type { AccessStore, AuditEntry, CredentialRecord } from '../../access-ports.ts'
import { toAudit, toCredential, toEnrolment, toSessionToken, toToken } from './access-rows.ts'
import type { Database, Row } from './database.ts'

const SECRET_BYTES = 32

/** The rows of tokens, enrolments, credentials and of what was done with them. */
export function createAccessStore({ db }: { db: Database }): AccessStore {
  const revoke = (table: string, id: string, at: number): boolean =>
    db.run(`UPDATE ${table} SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL`, { id, at }) > 0

  const insertCredential = (credential: CredentialRecord, hash: string | null): void => {
    const { id, clientId, publicKey, enrolmentId, createdAt, provenAt, revokedAt } = credential
    db.run(
      `INSERT INTO credentials (id, client_id, public_key, hash, enrolment_id, created_at, proven_at, revoked_at)
       VALUES (:id, :clientId, :publicKey, :hash, :enrolmentId, :createdAt, :provenAt, :revokedAt)`,
      { id, clientId, publicKey, hash, enrolmentId, createdAt, provenAt, revokedAt },
    )
  }

  const revokeCredential = (id: string, at: number): boolean => {
    db.run('DELETE FROM session_tokens WHERE credential_id = :id', { id })
    return revoke('credentials', id, at)
  }

  return {
    async addToken({ id, name, role, content, clients, paths, createdAt, expiresAt, revokedAt }, hash) {
      db.run(
        `INSERT INTO tokens (id, hash, name, role, content, clients, paths, created_at, expires_at, revoked_at)
         VALUES (:id, :hash, :name, :role, :content, :clients, :paths, :createdAt, :expiresAt, :revokedAt)`,
        {
          id,
          hash,
          name,
          role,
          createdAt,
          expiresAt,
          revokedAt,
          content: content ? 1 : 0,
          clients: clients && JSON.stringify(clients),
          paths: paths && JSON.stringify(paths),
        },
      )
    },
    async findToken(hash) {
      const row = db.one('SELECT * FROM tokens WHERE hash = :hash', { hash })
      return row && toToken(row)
    },
    listTokens: async () => db.all('SELECT * FROM tokens ORDER BY created_at, id').map(toToken),
    revokeToken: async (id, at) => revoke('tokens', id, at),

    async addEnrolment({ id, clients, labels, usesLeft, createdAt, expiresAt, revokedAt }, hash) {
      db.run(
        `INSERT INTO enrolments (id, hash, clients, labels, uses_left, created_at, expires_at, revoked_at)
         VALUES (:id, :hash, :clients, :labels, :usesLeft, :createdAt, :expiresAt, :revokedAt)`,
        { id, hash, clients, labels: JSON.stringify(labels), usesLeft, createdAt, expiresAt, revokedAt },
      )
    },
    async findEnrolment(hash) {
      const row = db.one('SELECT * FROM enrolments WHERE hash = :hash', { hash })
      return row && toEnrolment(row)
    },
    listEnrolments: async () => db.all('SELECT * FROM enrolments ORDER BY created_at, id').map(toEnrolment),
    revokeEnrolment: async (id, at) => revoke('enrolments', id, at),

    async enrol(enrolmentId, credential, hash) {
      return db.transaction(() => {
        const { clientId, publicKey } = credential
        const again = db.one(
          `SELECT * FROM credentials WHERE client_id = :clientId AND public_key = :publicKey
             AND enrolment_id = :enrolmentId AND revoked_at IS NULL`,
          { clientId, publicKey, enrolmentId },
        )
        if (again) return toCredential(again)
        // What was revoked does not come back under another name.
        const revoked = db.one('SELECT 1 FROM credentials WHERE public_key = :publicKey AND revoked_at IS NOT NULL', {
          publicKey,
        })
        if (revoked) return undefined
        const taken = db.run(
          'UPDATE enrolments SET uses_left = uses_left - 1 WHERE id = :enrolmentId AND uses_left > 0 AND revoked_at IS NULL',
          { enrolmentId },
        )
        if (taken === 0) return undefined
        insertCredential(credential, hash)
        return credential
      })
    },

    async addCredential(credential, hash) {
      insertCredential(credential, hash)
    },
    async findCredential(id) {
      const row = db.one('SELECT * FROM credentials WHERE id = :id', { id })
      return row && toCredential(row)
    },
    async findBearer(hash) {
      const row = db.one('SELECT * FROM credentials WHERE hash = :hash', { hash })
      return row && toCredential(row)
    },
    async listCredentials(clientId) {
      return clientId === undefined
        ? db.all('SELECT * FROM credentials ORDER BY client_id, created_at, id').map(toCredential)
        : db
            .all('SELECT * FROM credentials WHERE client_id = :clientId ORDER BY created_at, id', { clientId })
            .map(toCredential)
    },
    async proveCredential(id, at) {
      db.transaction(() => {
        db.run('UPDATE credentials SET proven_at = :at WHERE id = :id AND proven_at IS NULL', { id, at })
        const older = db.all(
          `SELECT old.id FROM credentials AS new JOIN credentials AS old ON old.client_id = new.client_id
           WHERE new.id = :id AND old.id <> new.id AND old.created_at <= new.created_at AND old.revoked_at IS NULL`,
          { id },
        )
        for (const row of older) revokeCredential(String(row['id']), at)
      })
    },
    revokeCredential: async (id, at) => db.transaction(() => revokeCredential(id, at)),

    async addSessionToken({ clientId, session, credentialId, expiresAt }, hash) {
      db.run(
        `INSERT INTO session_tokens (hash, client_id, session, credential_id, expires_at)
         VALUES (:hash, :clientId, :session, :credentialId, :expiresAt)`,
        { hash, clientId, session, credentialId, expiresAt },
      )
    },
    async findSessionToken(hash) {
      const row = db.one('SELECT * FROM session_tokens WHERE hash = :hash', { hash })
      return row && toSessionToken(row)
    },
    async forgetSessionTokens(expiredBefore) {
      db.run('DELETE FROM session_tokens WHERE expires_at < :expiredBefore', { expiredBefore })
    },

    async secret(name) {
      const known = (): Row | undefined => db.one('SELECT value FROM secrets WHERE name = :name', { name })
      if (!known()) {
        db.run('INSERT INTO secrets (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING', {
          name,
          value: randomBytes(SECRET_BYTES).toString('base64url'),
        })
      }
      return Buffer.from(String(known()?.['value']), 'base64url')
    },

    async appendAudit(entries) {
      db.transaction(() => entries.forEach((entry) => insertAudit(db, entry)))
    },
    async listAudit({ before = Number.MAX_SAFE_INTEGER, clientId = null, actor = null, limit }) {
      return db
        .all(
          `SELECT * FROM audit WHERE seq < :before AND (:clientId IS NULL OR client_id = :clientId)
             AND (:actor IS NULL OR actor = :actor) ORDER BY seq DESC LIMIT :limit`,
          { before, clientId, actor, limit },
        )
        .map(toAudit)
    },
  }
}

function insertAudit(db: Database, entry: AuditEntry): void {
  const { at, actor, address, action, clientId, path, downloadId, status, code } = entry
  db.run(
    `INSERT INTO audit (at, actor, address, action, client_id, path, download_id, status, code)
     VALUES (:at, :actor, :address, :action, :clientId, :path, :downloadId, :status, :code)`,
    { at, actor, address, action, clientId, path, downloadId, status, code },
  )
}
