import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { openDatabase } from '../../server/stores/sqlite/database.ts'
import { openSqlite } from '../../server/stores/sqlite/index.ts'
import { beginAnew } from '../../server/stores/sqlite/restored.ts'
import { createWebhookStore } from '../../server/stores/sqlite/webhooks.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { webhookStoreContract } from './webhooks.ts'

const place = async () => {
  const { folder, remove } = await temporaryFolder()
  const path = join(folder, 'jobs.db')
  const open = async () => {
    const { webhooks, jobs } = await openSqlite({ path })
    return { webhooks, close: jobs.close }
  }
  return { path, open, remove }
}

webhookStoreContract('sqlite', place)

test('a restored database has nothing to be sent, and its endpoints are new', async () => {
  const { path, open, remove } = await place()
  const before = await open()
  await before.webhooks.begin('a', '0')
  await before.webhooks.move('a', { from: '0', to: '1', deliveries: [{ event: '1', at: 7, body: '{}' }] })
  await before.close()
  beginAnew(path)
  const { webhooks, close } = await open()
  expect([await webhooks.position('a'), await webhooks.count()]).toEqual([undefined, 0])
  await close()
  await remove()
})

test('no question of one endpoint looks at what waits for all, or sorts it', async () => {
  const { path, remove } = await place()
  const db = openDatabase(path)
  const asked = new Set<string>()
  const webhooks = createWebhookStore({
    db: {
      ...db,
      all: (sql, parameters) => db.all(asked.add(sql) && sql, parameters),
      one: (sql, parameters) => db.one(asked.add(sql) && sql, parameters),
      run: (sql, parameters) => db.run(asked.add(sql) && sql, parameters),
    },
  })
  await webhooks.begin('a', '0')
  await webhooks.position('a')
  await webhooks.move('a', { from: '0', to: '1', deliveries: [] })
  await webhooks.due('a', 1, 2)
  await webhooks.postpone('a', { event: '1', attempts: 1, nextAt: 1, lastStatus: null })
  await webhooks.remove('a', '1')
  await webhooks.dropOldest('a', 5)
  const plans = [...asked].map((sql) => ({
    sql,
    steps: db.all(`EXPLAIN QUERY PLAN ${sql}`).map((row) => String(row['detail'])),
  }))
  db.close()
  await remove()
  expect(plans).toHaveLength(7)
  for (const { sql, steps } of plans) {
    expect([sql, steps.filter((step) => /^SCAN (webhooks|deliveries)|TEMP B-TREE/.test(step))]).toEqual([sql, []])
  }
})
