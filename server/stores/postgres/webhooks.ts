import type { WebhookStore } from '../../webhook-ports.ts'
import { textOrNull } from '../rows.ts'
import { toDelivery } from '../webhook-rows.ts'
import type { Database } from './database.ts'

/** How far each endpoint was told, and what waits for it. */
export function createWebhookStore({ db }: { db: Database }): WebhookStore {
  return {
    async position(endpoint) {
      const row = await db.one('SELECT position FROM webhooks WHERE endpoint = :endpoint', { endpoint })
      return textOrNull(row?.['position']) ?? undefined
    },

    async begin(endpoint, position) {
      await db.run('INSERT INTO webhooks (endpoint, position) VALUES (:endpoint, :position) ON CONFLICT DO NOTHING', {
        endpoint,
        position,
      })
    },

    async move(endpoint, { from, to, deliveries }) {
      return db.transaction(async (tx) => {
        const sql = 'UPDATE webhooks SET position = :to WHERE endpoint = :endpoint AND position = :from'
        if ((await tx.run(sql, { endpoint, from, to })) === 0) return false
        if (deliveries.length === 0) return true
        await tx.run(
          `INSERT INTO deliveries (endpoint, event, at, body, next_at)
           SELECT :endpoint, given.event, given.at, given.body, 0
           FROM unnest(:events::text[], :times::bigint[], :bodies::text[]) WITH ORDINALITY AS given (event, at, body, n)
           ORDER BY given.n ON CONFLICT DO NOTHING`,
          {
            endpoint,
            events: deliveries.map(({ event }) => event),
            times: deliveries.map(({ at }) => at),
            bodies: deliveries.map(({ body }) => body),
          },
        )
        return true
      })
    },

    async due(endpoint, now, limit) {
      const sql =
        'SELECT * FROM deliveries WHERE endpoint = :endpoint AND next_at <= :now ORDER BY next_at, seq LIMIT :limit'
      return (await db.query(sql, { endpoint, now, limit })).map(toDelivery)
    },

    async postpone(endpoint, { event, attempts, nextAt, lastStatus }) {
      await db.run(
        `UPDATE deliveries SET attempts = :attempts, next_at = :nextAt, last_status = :lastStatus
         WHERE endpoint = :endpoint AND event = :event`,
        { endpoint, event, attempts, nextAt, lastStatus },
      )
    },

    async remove(endpoint, event) {
      await db.run('DELETE FROM deliveries WHERE endpoint = :endpoint AND event = :event', { endpoint, event })
    },

    async dropOldest(endpoint, most) {
      return db.run(
        `DELETE FROM deliveries WHERE endpoint = :endpoint AND seq <=
           (SELECT seq FROM deliveries WHERE endpoint = :endpoint ORDER BY seq DESC LIMIT 1 OFFSET :most)`,
        { endpoint, most },
      )
    },

    async keepOnly(endpoints) {
      await db.transaction(async (tx) => {
        await tx.run('DELETE FROM deliveries WHERE NOT endpoint = ANY (:endpoints::text[])', { endpoints })
        await tx.run('DELETE FROM webhooks WHERE NOT endpoint = ANY (:endpoints::text[])', { endpoints })
      })
    },

    async count() {
      return Number((await db.one('SELECT count(*) AS count FROM deliveries'))?.['count'])
    },
  }
}
