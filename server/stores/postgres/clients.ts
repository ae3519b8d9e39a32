import { randomBytes } from 'node:crypto'
import type { SessionRequest } from '../../../shared/protocol.ts'
import type { JobStore } from '../../ports.ts'
import { createClientList } from '../client-filter.ts'
import { nextInstances } from '../instances.ts'
import { toClient } from '../rows.ts'
import type { Database, Queries } from './database.ts'
import { labelled } from './labels.ts'
import { replaceSession } from './locks.ts'
import { noteArrival } from './updates.ts'

type ClientStore = Pick<
  JobStore,
  'findClient' | 'listClients' | 'clientsSeen' | 'recordContacts' | 'recordConflict' | 'beginSession'
>

const list = createClientList({
  position: 'strpos',
  idIn: (name) => `id = ANY (:${name}::text[])`,
  idsOf: (ids) => ids,
  labelled,
})

/** The clients' rows: what is known of each site, and its newest session. */
export function createClientStore({ db }: { db: Database }): ClientStore {
  return {
    async findClient(id) {
      const row = await db.one('SELECT * FROM clients WHERE id = :id', { id })
      return row && toClient(row)
    },

    async listClients(filter) {
      const { sql, parameters } = list(filter)
      return (await db.query(sql, parameters)).map(toClient)
    },

    async clientsSeen(after) {
      const seen = await db.query('SELECT id FROM clients WHERE last_seen > :after', { after })
      const counted = await db.one('SELECT count(*) AS known FROM clients')
      return { known: Number(counted?.['known']), seen: seen.map((row) => String(row['id'])) }
    },

    async recordContacts(contacts) {
      if (contacts.length === 0) return
      await db.run(
        `INSERT INTO clients (id, last_seen)
         SELECT id, max(at) FROM unnest(:ids::text[], :times::bigint[]) AS seen (id, at) GROUP BY id ORDER BY id COLLATE "C"
         ON CONFLICT (id) DO UPDATE SET last_seen = excluded.last_seen WHERE clients.last_seen < excluded.last_seen`,
        { ids: contacts.map(({ clientId }) => clientId), times: contacts.map(({ at }) => at) },
      )
    },

    async recordConflict({ clientId, at, hostname }) {
      await db.run(
        `UPDATE clients SET conflicts = conflicts + 1, conflict_at = :at, conflict_hostname = :hostname WHERE id = :clientId`,
        { clientId, at, hostname },
      )
    },

    beginSession: (request, at, mayReplace) =>
      db.transaction(async (tx) => {
        const { clientId, instance } = request
        await tx.query(`SELECT ${replaceSession(':clientId::text')}`, { clientId })
        const isNew = await tx.run(
          'INSERT INTO clients (id, last_seen) VALUES (:clientId, :at) ON CONFLICT (id) DO NOTHING',
          { clientId, at },
        )
        const row = await tx.one('SELECT * FROM clients WHERE id = :clientId FOR NO KEY UPDATE', { clientId })
        if (!row) throw new Error(`the row of ${clientId} is gone`)
        if (row['instance'] === instance) return toClient(row)
        const instances = nextInstances(row, request)
        if (isNew === 0) mayReplace(toClient(row))
        await writeSession(tx, request, at, instances)
        await writeLabels(tx, request, String(row['labels']))
        await noteArrival(tx, toClient(row).update, request, at)
        return toClient((await tx.one('SELECT * FROM clients WHERE id = :clientId', { clientId }))!)
      }),
  }
}

async function writeSession(
  tx: Queries,
  { clientId, instance, agent, shared, labels }: SessionRequest,
  at: number,
  instances: string[],
): Promise<void> {
  await tx.run(
    `UPDATE clients SET session_n = session_n + 1, session = (session_n + 1) || '.' || :nonce::text, instance = :instance,
       past_instances = :instances, session_at = :at, rev = rev + 1, agent = :agent, shared = :shared, labels = :labels
     WHERE id = :clientId`,
    {
      clientId,
      nonce: randomBytes(12).toString('base64url'),
      instance,
      instances: JSON.stringify(instances),
      at,
      agent: JSON.stringify(agent),
      shared: JSON.stringify(shared),
      labels: JSON.stringify(labels),
    },
  )
}

/** @param before the labels that the client's row had, as JSON; most sessions begin with the same */
async function writeLabels(tx: Queries, { clientId, labels }: SessionRequest, before: string): Promise<void> {
  if (before === JSON.stringify(labels)) return
  if (before !== '{}') await tx.run('DELETE FROM labels WHERE client_id = :clientId', { clientId })
  await tx.run(
    `INSERT INTO labels (key, value, client_id)
     SELECT key, value, :clientId::text FROM unnest(:keys::text[], :values::text[]) AS given (key, value)`,
    { clientId, keys: Object.keys(labels), values: Object.values(labels) },
  )
}
