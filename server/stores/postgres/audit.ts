import type { AccessStore, AuditEntry } from '../../access-ports.ts'
import { toAudit } from '../access-rows.ts'
import type { Database } from './database.ts'

/** The rows of what was done. */
export function createAudit({ db }: { db: Database }): Pick<AccessStore, 'appendAudit' | 'listAudit'> {
  return {
    async appendAudit(entries) {
      if (entries.length === 0) return
      const column = <K extends keyof AuditEntry>(key: K): AuditEntry[K][] => entries.map((entry) => entry[key])
      await db.run(
        `INSERT INTO audit (at, actor, address, action, client_id, path, download_id, status, code)
         SELECT * FROM unnest(:at::bigint[], :actor::text[], :address::text[], :action::text[], :clientId::text[],
           :path::text[], :downloadId::text[], :status::int[], :code::text[])`,
        {
          at: column('at'),
          actor: column('actor'),
          address: column('address'),
          action: column('action'),
          clientId: column('clientId'),
          path: column('path'),
          downloadId: column('downloadId'),
          status: column('status'),
          code: column('code'),
        },
      )
    },
    async listAudit({ before = Number.MAX_SAFE_INTEGER, clientId, actor, limit }) {
      const conditions = [
        'seq < :before',
        ...(clientId === undefined ? [] : ['client_id = :clientId']),
        ...(actor === undefined ? [] : ['actor = :actor']),
      ]
      const sql = `SELECT * FROM audit WHERE ${conditions.join(' AND ')} ORDER BY seq DESC LIMIT :limit`
      const parameters = {
        before,
        limit,
        ...(clientId === undefined ? {} : { clientId }),
        ...(actor === undefined ? {} : { actor }),
      }
      return (await db.query(sql, parameters)).map(toAudit)
    },
  }
}
