import { randomBytes } from 'node:crypto'
import type { AccessStore, AuditEntry, CredentialRecord, TokenRecord } from '../../access-ports.ts'
import { toAudit, toCredential, toEnrolment, toSessionToken, toToken } from '../access-rows.ts'
import type { Database, Row } from './database.ts'
import { numberOrNull, textOrNull } from '../rows.ts'

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

  const insertToken = (token: TokenRecord, hash: string): void => {
    const { id, name, role, content, clients, paths, createdAt, expiresAt, revokedAt } = token
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
  }

  /** What was revoked does not come back under another name. */
  const isRevoked = (publicKey: string | null): boolean =>
    db.one('SELECT 1 FROM credentials WHERE public_key = :publicKey AND revoked_at IS NOT NULL', { publicKey }) !==
    undefined

  const hasCredential = (clientId: string): boolean =>
    db.one('SELECT 1 FROM credentials WHERE client_id = :clientId AND revoked_at IS NULL', { clientId }) !== undefined

  const revokeCredential = (id: string, at: number): boolean => {
    db.run('DELETE FROM session_tokens WHERE credential_id = :id', { id })
    return revoke('credentials', id, at)
  }

  return {
    async addToken(token, hash) {
      insertToken(token, hash)
    },
    async replaceToken(token, hash) {
      db.transaction(() => {
        const { name, createdAt } = token
        const known = db.one('SELECT revoked_at FROM tokens WHERE hash = :hash', { hash })
        if (known && known['revoked_at'] !== null) return
        db.run(
          'UPDATE tokens SET revoked_at = :createdAt WHERE name = :name AND hash <> :hash AND revoked_at IS NULL',
          { name, hash, createdAt },
        )
        if (!known) insertToken(token, hash)
      })
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
         VALUES (:id, :hash, :clients, :labels, :usesLeft, :createdAt, :expiresAt, :revokedAt)
         ON CONFLICT (hash) DO NOTHING`,
        { id, hash, clients, labels: JSON.stringify(labels), usesLeft, createdAt, expiresAt, revokedAt },
      )
    },
    async findEnrolment(hash) {
      const row = db.one('SELECT * FROM enrolments WHERE hash = :hash', { hash })
      return row && toEnrolment(row)
    },
    async labelsOf(credentialId) {
      const row = db.one(
        'SELECT labels FROM enrolments JOIN credentials ON enrolment_id = enrolments.id WHERE credentials.id = :credentialId',
        { credentialId },
      )
      return row ? (JSON.parse(String(row['labels'])) as Record<string, string>) : {}
    },
    listEnrolments: async () => db.all('SELECT * FROM enrolments ORDER BY created_at, id').map(toEnrolment),
    async setEnrolmentClients(id, clients) {
      db.run('UPDATE enrolments SET clients = :clients WHERE id = :id', { id, clients })
    },
    revokeEnrolment: async (id, at) => revoke('enrolments', id, at),

    async enrol({ enrolmentId, mayReplace }, credential, hash) {
      return db.transaction(() => {
        const { clientId, publicKey } = credential
        const again = db.one(
          `SELECT * FROM credentials WHERE client_id = :clientId AND public_key = :publicKey
             AND enrolment_id = :enrolmentId AND revoked_at IS NULL`,
          { clientId, publicKey, enrolmentId },
        )
        if (again) return toCredential(again)
        if (isRevoked(publicKey)) return 'revoked'
        if (!mayReplace && hasCredential(clientId)) return 'refused'
        const taken = db.run(
          'UPDATE enrolments SET uses_left = uses_left - 1 WHERE id = :enrolmentId AND uses_left > 0 AND revoked_at IS NULL',
          { enrolmentId },
        )
        if (taken === 0) return 'spent'
        insertCredential(credential, hash)
        return credential
      })
    },

    async addNextCredential(credential, by) {
      return db.transaction(() => {
        const { clientId, publicKey } = credential
        const inForce = 'client_id = :clientId AND revoked_at IS NULL'
        const proving = db.one(`SELECT enrolment_id FROM credentials WHERE id = :by AND ${inForce}`, { by, clientId })
        if (!proving) return 'refused'
        if (isRevoked(publicKey)) return 'revoked'
        const again = db.one(`SELECT * FROM credentials WHERE public_key = :publicKey AND ${inForce}`, {
          publicKey,
          clientId,
        })
        // A lost answer is answered the same.
        if (again) return toCredential(again)
        // One that was asked for before, and never used, has no more rights than this one.
        const unused = db.all(`SELECT id FROM credentials WHERE proven_at IS NULL AND id <> :by AND ${inForce}`, {
          by,
          clientId,
        })
        for (const row of unused) revokeCredential(String(row['id']), credential.createdAt)
        const next = { ...credential, enrolmentId: textOrNull(proving['enrolment_id']) }
        insertCredential(next, null)
        return next
      })
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
      return db.transaction(() => {
        db.run('UPDATE credentials SET proven_at = :at WHERE id = :id AND proven_at IS NULL', { id, at })
        // One that was revoked while its proof was looked at takes nobody's place.
        const older = db.all(
          `SELECT old.id FROM credentials AS new JOIN credentials AS old ON old.client_id = new.client_id
           WHERE new.id = :id AND new.revoked_at IS NULL AND old.id <> new.id AND old.rowid < new.rowid AND old.revoked_at IS NULL`,
          { id },
        )
        const ids = older.map((row) => String(row['id']))
        for (const each of ids) revokeCredential(each, at)
        return ids
      })
    },
    async revokeCredential(id, at) {
      return db.transaction(() => {
        // Whoever has this one can have told of a next: it must not be the way back.
        const next = db.all(
          `SELECT next.id FROM credentials AS own JOIN credentials AS next ON next.client_id = own.client_id
           WHERE own.id = :id AND own.revoked_at IS NULL AND next.rowid > own.rowid AND next.proven_at IS NULL
             AND next.revoked_at IS NULL AND next.enrolment_id IS own.enrolment_id`,
          { id },
        )
        for (const row of next) revokeCredential(String(row['id']), at)
        return revokeCredential(id, at)
      })
    },
    async revokeClient(clientId, at) {
      return db.transaction(() => {
        const rows = db.all('SELECT id FROM credentials WHERE client_id = :clientId AND revoked_at IS NULL', {
          clientId,
        })
        const ids = rows.map((row) => String(row['id']))
        for (const each of ids) revokeCredential(each, at)
        return ids
      })
    },

    async addSessionToken({ clientId, session, credentialId, expiresAt }, hash) {
      db.run(
        `INSERT INTO session_tokens (hash, client_id, session, credential_id, expires_at)
         VALUES (:hash, :clientId, :session, :credentialId, :expiresAt)`,
        { hash, clientId, session, credentialId, expiresAt },
      )
    },
    async findSessionToken(hash) {
      // A revocation may have come between the proof and the token.
      const row = db.one(
        `SELECT session_tokens.* FROM session_tokens JOIN credentials ON credentials.id = credential_id
         WHERE session_tokens.hash = :hash AND revoked_at IS NULL`,
        { hash },
      )
      return row && toSessionToken(row)
    },
    async lastEnd({ credentialId, session }) {
      const sql =
        'SELECT max(expires_at) AS at FROM session_tokens WHERE credential_id = :credentialId AND session = :session'
      return numberOrNull(db.one(sql, { credentialId, session })?.['at']) ?? undefined
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
    async listAudit({ before = Number.MAX_SAFE_INTEGER, clientId, actor, limit }) {
      const conditions = [
        'seq < :before',
        ...(clientId === undefined ? [] : ['client_id = :clientId']),
        ...(actor === undefined ? [] : ['actor = :actor']),
      ]
      const parameters = {
        before,
        limit,
        ...(clientId === undefined ? {} : { clientId }),
        ...(actor === undefined ? {} : { actor }),
      }
      const sql = `SELECT * FROM audit WHERE ${conditions.join(' AND ')} ORDER BY seq DESC LIMIT :limit`
      return db.all(sql, parameters).map(toAudit)
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
