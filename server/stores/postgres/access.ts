import { randomBytes } from 'node:crypto'
import type { AccessStore } from '../../access-ports.ts'
import { numberOrNull } from '../rows.ts'
import { createAudit } from './audit.ts'
import { createCredentialRows } from './credentials.ts'
import type { Database } from './database.ts'
import { createEnrolmentRows } from './enrolments.ts'
import { toSessionToken } from '../access-rows.ts'
import { createTokenRows } from './tokens.ts'

const SECRET_BYTES = 32

/** The rows of tokens, enrolments, credentials and of what was done with them. */
export function createAccessStore({ db }: { db: Database }): AccessStore {
  return {
    ...createTokenRows({ db }),
    ...createEnrolmentRows({ db }),
    ...createCredentialRows({ db }),
    ...createAudit({ db }),

    async addSessionToken({ clientId, session, credentialId, expiresAt }, hash) {
      await db.run(
        `INSERT INTO session_tokens (hash, client_id, session, credential_id, expires_at)
         VALUES (:hash, :clientId, :session, :credentialId, :expiresAt)`,
        { hash, clientId, session, credentialId, expiresAt },
      )
    },
    async findSessionToken(hash) {
      // A revocation may have come between the proof and the token.
      const row = await db.one(
        `SELECT session_tokens.* FROM session_tokens JOIN credentials ON credentials.id = credential_id
         WHERE session_tokens.hash = :hash AND revoked_at IS NULL`,
        { hash },
      )
      return row && toSessionToken(row)
    },
    async lastEnd({ credentialId, session }) {
      const row = await db.one(
        'SELECT max(expires_at) AS at FROM session_tokens WHERE credential_id = :credentialId AND session = :session',
        { credentialId, session },
      )
      return numberOrNull(row?.['at']) ?? undefined
    },
    async forgetSessionTokens(expiredBefore) {
      await db.run('DELETE FROM session_tokens WHERE expires_at < :expiredBefore', { expiredBefore })
    },

    async secret(name) {
      const known = () => db.one('SELECT value FROM secrets WHERE name = :name', { name })
      let row = await known()
      if (!row) {
        // Of several servers that make it, one does.
        const value = randomBytes(SECRET_BYTES).toString('base64url')
        await db.run('INSERT INTO secrets (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING', { name, value })
        row = await known()
      }
      return Buffer.from(String(row?.['value']), 'base64url')
    },
  }
}
