import { randomBytes } from 'node:crypto'
import type { SessionRequest } from '../../../shared/protocol.ts'
import type { ClientRecord, JobStore } from '../../ports.ts'
import type { Database, Row } from './database.ts'
import { labelled } from './labels.ts'
import { createClientList } from '../client-filter.ts'
import { nextInstances } from '../instances.ts'
import { toClient } from '../rows.ts'
import { noteArrival } from './updates.ts'

type ClientStore = Pick<
  JobStore,
  'findClient' | 'listClients' | 'clientsSeen' | 'recordContacts' | 'recordConflict' | 'beginSession'
>

const list = createClientList({
  position: 'instr',
  idIn: (name) => `id IN (SELECT value FROM json_each(:${name}))`,
  idsOf: (ids) => JSON.stringify(ids),
  labelled,
})

/** The clients' rows: what is known of each site, and its newest session. */
export function createClientStore({ db }: { db: Database }): ClientStore {
  const find = (id: string): Row | undefined => db.one('SELECT * FROM clients WHERE id = :id', { id })
  const touch = (id: string, at: number): void => {
    db.run(
      `INSERT INTO clients (id, last_seen) VALUES (:id, :at)
       ON CONFLICT (id) DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)`,
      { id, at },
    )
  }

  return {
    async findClient(id) {
      const row = find(id)
      return row && toClient(row)
    },

    async listClients(filter) {
      const { sql, parameters } = list(filter)
      return db.all(sql, parameters).map(toClient)
    },

    async clientsSeen(after) {
      const seen = db.all('SELECT id FROM clients WHERE last_seen > :after', { after })
      const known = Number(db.one('SELECT count(*) AS known FROM clients')?.['known'])
      return { known, seen: seen.map((row) => String(row['id'])) }
    },

    async recordContacts(contacts) {
      if (contacts.length === 0) return
      db.transaction(() => {
        for (const { clientId, at } of contacts) touch(clientId, at)
      })
    },

    async recordConflict({ clientId, at, hostname }) {
      db.run(
        `UPDATE clients SET conflicts = conflicts + 1, conflict_at = :at, conflict_hostname = :hostname WHERE id = :clientId`,
        { clientId, at, hostname },
      )
    },

    async beginSession(request, at, mayReplace) {
      return db.transaction(() => {
        const row = find(request.clientId)
        if (!row) touch(request.clientId, at)
        if (row?.['instance'] !== request.instance) {
          const instances = nextInstances(row, request)
          if (row) mayReplace(toClient(row))
          replaceSession(db, request, at, instances)
          replaceLabels(db, request, String(row?.['labels'] ?? '{}'))
          noteArrival(db, row ? toClient(row).update : null, request, at)
        }
        return toClient(find(request.clientId)!) satisfies ClientRecord
      })
    },
  }
}

function replaceSession(db: Database, request: SessionRequest, at: number, instances: string[]): void {
  db.run(
    `UPDATE clients SET session_n = session_n + 1, session = (session_n + 1) || '.' || :nonce, instance = :instance,
       past_instances = :instances, session_at = :at, rev = rev + 1, agent = :agent, shared = :shared, labels = :labels
     WHERE id = :id`,
    {
      id: request.clientId,
      nonce: randomBytes(12).toString('base64url'),
      instance: request.instance,
      instances: JSON.stringify(instances),
      at,
      agent: JSON.stringify(request.agent),
      shared: JSON.stringify(request.shared),
      labels: JSON.stringify(request.labels),
    },
  )
}

/** @param before the labels that the client's row had, as JSON; most sessions begin with the same */
function replaceLabels(db: Database, { clientId, labels }: SessionRequest, before: string): void {
  if (before === JSON.stringify(labels)) return
  if (before !== '{}') db.run('DELETE FROM labels WHERE client_id = :clientId', { clientId })
  for (const [key, value] of Object.entries(labels)) {
    db.run('INSERT INTO labels (key, value, client_id) VALUES (:key, :value, :clientId)', { key, value, clientId })
  }
}
