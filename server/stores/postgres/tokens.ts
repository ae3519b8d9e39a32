import type { AccessStore, TokenRecord } from '../../access-ports.ts'
import { toToken } from '../access-rows.ts'
import type { Database, Queries } from './database.ts'

type TokenRows = Pick<AccessStore, 'addToken' | 'replaceToken' | 'findToken' | 'listTokens' | 'revokeToken'>

/** The rows of operators' tokens. */
export function createTokenRows({ db }: { db: Database }): TokenRows {
  return {
    async addToken(token, hash) {
      await insertToken(db, token, hash)
    },
    async replaceToken(token, hash) {
      const { name, createdAt } = token
      await db.transaction(async (tx) => {
        // Servers that start together replace it by the same one: the first makes it, and the others must leave it be.
        await tx.one(`SELECT pg_advisory_xact_lock(hashtextextended('token ' || :name::text, 0))`, { name })
        const known = await tx.one('SELECT revoked_at FROM tokens WHERE hash = :hash', { hash })
        if (known && known['revoked_at'] !== null) return
        await tx.run(
          'UPDATE tokens SET revoked_at = :createdAt WHERE name = :name AND hash <> :hash AND revoked_at IS NULL',
          { name, hash, createdAt },
        )
        if (!known) await insertToken(tx, token, hash)
      })
    },
    async findToken(hash) {
      const row = await db.one('SELECT * FROM tokens WHERE hash = :hash', { hash })
      return row && toToken(row)
    },
    listTokens: async () => (await db.query('SELECT * FROM tokens ORDER BY created_at, id')).map(toToken),
    revokeToken: (id, at) => revoke(db, 'tokens', id, at),
  }
}

/** @returns whether it was there, and in force */
export async function revoke(
  queries: Queries,
  table: 'tokens' | 'enrolments' | 'credentials',
  id: string,
  at: number,
): Promise<boolean> {
  const sql = `UPDATE ${table} SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL`
  return (await queries.run(sql, { id, at })) > 0
}

async function insertToken(queries: Queries, token: TokenRecord, hash: string): Promise<void> {
  const { id, name, role, content, clients, paths, createdAt, expiresAt, revokedAt } = token
  await queries.run(
    `INSERT INTO tokens (id, hash, name, role, content, clients, paths, created_at, expires_at, revoked_at)
     VALUES (:id, :hash, :name, :role, :content, :clients, :paths, :createdAt, :expiresAt, :revokedAt)`,
    {
      id,
      hash,
      name,
      role,
      content,
      createdAt,
      expiresAt,
      revokedAt,
      clients: clients && JSON.stringify(clients),
      paths: paths && JSON.stringify(paths),
    },
  )
}
