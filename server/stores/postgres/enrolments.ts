import type { AccessStore } from '../../access-ports.ts'
import { toEnrolment } from '../access-rows.ts'
import type { Database } from './database.ts'
import { revoke } from './tokens.ts'

type EnrolmentRows = Pick<
  AccessStore,
  'addEnrolment' | 'findEnrolment' | 'labelsOf' | 'listEnrolments' | 'setEnrolmentClients' | 'revokeEnrolment'
>

/** The rows of enrolments; `credentials.ts` takes their uses. */
export function createEnrolmentRows({ db }: { db: Database }): EnrolmentRows {
  return {
    async addEnrolment({ id, clients, labels, usesLeft, createdAt, expiresAt, revokedAt }, hash) {
      // Servers that start together add what their environment tells, which is the same.
      await db.run(
        `INSERT INTO enrolments (id, hash, clients, labels, uses_left, created_at, expires_at, revoked_at)
         VALUES (:id, :hash, :clients, :labels, :usesLeft, :createdAt, :expiresAt, :revokedAt)
         ON CONFLICT DO NOTHING`,
        { id, hash, clients, labels: JSON.stringify(labels), usesLeft, createdAt, expiresAt, revokedAt },
      )
    },
    async findEnrolment(hash) {
      const row = await db.one('SELECT * FROM enrolments WHERE hash = :hash', { hash })
      return row && toEnrolment(row)
    },
    async labelsOf(credentialId) {
      const row = await db.one(
        'SELECT labels FROM enrolments JOIN credentials ON enrolment_id = enrolments.id WHERE credentials.id = :credentialId',
        { credentialId },
      )
      return row ? (JSON.parse(String(row['labels'])) as Record<string, string>) : {}
    },
    listEnrolments: async () => (await db.query('SELECT * FROM enrolments ORDER BY created_at, id')).map(toEnrolment),
    async setEnrolmentClients(id, clients) {
      await db.run('UPDATE enrolments SET clients = :clients WHERE id = :id', { id, clients })
    },
    revokeEnrolment: (id, at) => revoke(db, 'enrolments', id, at),
  }
}
