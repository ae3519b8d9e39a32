import type { SessionRequest } from '../../../shared/protocol.ts'
import type { ClientRecord, JobStore } from '../../ports.ts'
import type { UpdateRecord } from '../../update-ports.ts'
import type { Database } from './database.ts'
import { toClient } from '../rows.ts'

/** Orders, in the rows of their clients: each has its newest. What became of the others is in the audit. */
export function createUpdateStore({ db }: { db: Database }): Pick<JobStore, 'changeUpdate' | 'countAgents'> {
  return {
    async changeUpdate(clientId, change) {
      return db.transaction(() => {
        const client = find(db, clientId)
        const update = client && change(client)
        if (update === undefined) return client
        write(db, clientId, update)
        const isOwn = update?.state === 'fetching' || update?.state === 'fetched'
        // The agent need not be told of what it has said.
        if (!isOwn) db.run('UPDATE clients SET rev = rev + 1 WHERE id = :clientId', { clientId })
        return find(db, clientId)
      })
    },

    async countAgents() {
      const rows = db.all(
        `SELECT agent ->> 'version' AS version, agent ->> 'platform' AS platform, count(*) AS count
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
export function noteArrival(db: Database, order: UpdateRecord | null, request: SessionRequest, at: number): void {
  const { clientId, agent } = request
  if (order?.version !== agent.version || order.state === 'installed') return
  write(db, clientId, { ...order, state: 'installed', detail: null, changedAt: at })
}

function find(db: Database, id: string): ClientRecord | undefined {
  const row = db.one('SELECT * FROM clients WHERE id = :id', { id })
  return row && toClient(row)
}

function write(db: Database, id: string, update: UpdateRecord | null): void {
  const text = update && JSON.stringify(update)
  db.run('UPDATE clients SET update_order = :text WHERE id = :id', { id, text })
}
