import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from '@jest/globals'
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
  const { path, open, remove } = await place()
  const { jobs } = await open()
  await jobs.close()
  const db = new DatabaseSync(path)
  const plan = (sql: string): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row['detail']))
  const path_ = '(SELECT path FROM downloads WHERE downloads.id = events.download_id) AS path'
  const plans = [
    plan(`SELECT *, ${path_} FROM events WHERE seq > 1 ORDER BY seq LIMIT 10`),
    plan(`SELECT *, ${path_} FROM events WHERE download_id = 'x' AND seq > 0 ORDER BY seq LIMIT 10`),
    plan(`DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < 1 ORDER BY at LIMIT 10) RETURNING seq`),
    plan('SELECT epoch, forgotten, (SELECT max(seq) FROM events) AS newest FROM event_log'),
  ]
  db.close()
  await remove()
  for (const steps of plans) {
    expect(steps.filter((step) => /SCAN events|TEMP B-TREE/.test(step))).toEqual([])
    expect(steps.some((step) => /SEARCH events/.test(step))).toBe(true)
  }
})
