import type { SessionRequest } from '../../../shared/protocol.ts'
import type { JobStore } from '../../ports.ts'
import type { UpdateRecord } from '../../update-ports.ts'
import { toClient } from '../rows.ts'
import type { Database, Queries } from './database.ts'

/** Orders, in the rows of their clients: each has its newest. What became of the others is in the audit. */
export function createUpdateStore({ db }: { db: Database }): Pick<JobStore, 'changeUpdate' | 'countAgents'> {
  return {
    changeUpdate: (clientId, change) =>
      db.transaction(async (tx) => {
        const row = await tx.one('SELECT * FROM clients WHERE id = :clientId FOR NO KEY UPDATE', { clientId })
        const client = row && toClient(row)
        const update = client && change(client)
        if (update === undefined) return client
        // The agent need not be told of what it has said.
        const isOwn = update?.state === 'fetching' || update?.state === 'fetched'
        const changed = await tx.one(
          'UPDATE clients SET update_order = :text, rev = rev + :raise WHERE id = :clientId RETURNING *',
          { clientId, text: update && JSON.stringify(update), raise: isOwn ? 0 : 1 },
        )
        return changed && toClient(changed)
      }),

    async countAgents() {
      const rows = await db.query(
        `SELECT agent::json ->> 'version' AS version, agent::json ->> 'platform' AS platform, count(*) AS count
         FROM clients WHERE agent IS NOT NULL GROUP BY 1, 2`,
      )
      return rows.map(({ version, platform, count }) => ({
        version: String(version),
        platform: String(platform),
        count: Number(count),
      }))
    },
  }
}

/** A session of the version that was ordered says that it is there, whatever was said of it before. */
export async function noteArrival(
  tx: Queries,
  order: UpdateRecord | null,
  { clientId, agent }: SessionRequest,
  at: number,
): Promise<void> {
  if (order?.version !== agent.version || order.state === 'installed') return
  const installed: UpdateRecord = { ...order, state: 'installed', detail: null, changedAt: at }
  const text = JSON.stringify(installed)
  await tx.run('UPDATE clients SET update_order = :text WHERE id = :clientId', { clientId, text })
}
