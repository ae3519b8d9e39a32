import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { openDatabase, type Database } from '../../server/stores/sqlite/database.ts'
import { createEventStore } from '../../server/stores/sqlite/events.ts'
import { openSqlite } from '../../server/stores/sqlite/index.ts'
import { beginAnew } from '../../server/stores/sqlite/restored.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { draft } from './drafts.ts'
import { eventStoreContract } from './events.ts'

const place = async () => {
  const { folder, remove } = await temporaryFolder()
  const path = join(folder, 'jobs.db')
  return { path, open: async () => openSqlite({ path }), remove }
}

eventStoreContract('sqlite', place)

test('positions from before a restore are no positions after it, though the numbers are the same', async () => {
  const { path, open, remove } = await place()
  const first = await open()
  await first.jobs.recordContacts([{ clientId: 'e1', at: 1 }])
  await first.jobs.createDownloads([draft('e1')])
  const before = await first.events.newest()
  await first.jobs.close()
  beginAnew(path)
  const { jobs, events } = await open()
  expect(await events.after(before, 10)).toBeUndefined()
  expect(await events.after(await events.newest(), 10)).toEqual([])
  await jobs.close()
  await remove()
})

test('no question to the log looks at every event, or sorts them', async () => {
  const { path, remove } = await place()
  const db = openDatabase(path)
  const asked = new Set<string>()
  const watched: Database = {
    ...db,
    all: (sql, parameters) => db.all(asked.add(sql) && sql, parameters),
    one: (sql, parameters) => db.one(asked.add(sql) && sql, parameters),
  }
  const events = createEventStore({ db: watched, wal: { settled: async () => undefined } })
  await events.after(await events.newest(), 10)
  await events.ofDownload('d', { after: 0, limit: 10 })
  await events.forget(1, 10)
  const plans = [...asked].map((sql) => ({
    sql,
    steps: db.all(`EXPLAIN QUERY PLAN ${sql}`).map((row) => String(row['detail'])),
  }))
  db.close()
  await remove()
  expect(plans).toHaveLength(4)
  for (const { sql, steps } of plans) {
    expect([sql, steps.filter((step) => /SCAN events|TEMP B-TREE/.test(step))]).toEqual([sql, []])
    expect([sql, steps.some((step) => step.startsWith('SEARCH events'))]).toEqual([sql, true])
  }
})
