import type { WebhookStore } from '../../webhook-ports.ts'
import { textOrNull } from '../rows.ts'
import { toDelivery } from '../webhook-rows.ts'
import type { Database } from './database.ts'

/** How far each endpoint was told, and what waits for it. */
export function createWebhookStore({ db }: { db: Database }): WebhookStore {
  return {
    async position(endpoint) {
      const row = db.one('SELECT position FROM webhooks WHERE endpoint = :endpoint', { endpoint })
      return textOrNull(row?.['position']) ?? undefined
    },

    async begin(endpoint, position) {
      db.run('INSERT INTO webhooks (endpoint, position) VALUES (:endpoint, :position) ON CONFLICT DO NOTHING', {
        endpoint,
        position,
      })
    },

    async move(endpoint, { from, to, deliveries }) {
      return db.transaction(() => {
        const sql = 'UPDATE webhooks SET position = :to WHERE endpoint = :endpoint AND position = :from'
        if (db.run(sql, { endpoint, from, to }) === 0) return false
        for (const { event, at, body } of deliveries) {
          db.run(
            `INSERT INTO deliveries (endpoint, event, at, body, next_at) VALUES (:endpoint, :event, :at, :body, 0)
             ON CONFLICT DO NOTHING`,
            { endpoint, event, at, body },
          )
        }
        return true
      })
    },

    async due(endpoint, now, limit) {
      const sql =
        'SELECT * FROM deliveries WHERE endpoint = :endpoint AND next_at <= :now ORDER BY next_at, seq LIMIT :limit'
      return db.all(sql, { endpoint, now, limit }).map(toDelivery)
    },

    async postpone(endpoint, { event, attempts, nextAt, lastStatus }) {
      db.run(
        `UPDATE deliveries SET attempts = :attempts, next_at = :nextAt, last_status = :lastStatus
         WHERE endpoint = :endpoint AND event = :event`,
        { endpoint, event, attempts, nextAt, lastStatus },
      )
    },

    async remove(endpoint, event) {
      db.run('DELETE FROM deliveries WHERE endpoint = :endpoint AND event = :event', { endpoint, event })
    },

    async dropOldest(endpoint, most) {
      return db.run(
        `DELETE FROM deliveries WHERE endpoint = :endpoint AND seq <=
           (SELECT seq FROM deliveries WHERE endpoint = :endpoint ORDER BY seq DESC LIMIT 1 OFFSET :most)`,
        { endpoint, most },
      )
    },

    async keepOnly(endpoints) {
      const others = 'endpoint NOT IN (SELECT value FROM json_each(:endpoints))'
      const parameters = { endpoints: JSON.stringify(endpoints) }
      // A start that has nothing to remove needs no lock.
      if (!db.one(`SELECT 1 FROM webhooks WHERE ${others}`, parameters)) return
      db.transaction(() => {
        db.run(`DELETE FROM deliveries WHERE ${others}`, parameters)
        db.run(`DELETE FROM webhooks WHERE ${others}`, parameters)
      })
    },

    async count() {
      return Number(db.one('SELECT count(*) AS count FROM deliveries')?.['count'])
    },
  }
}
