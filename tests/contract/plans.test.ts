import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { createAccessStore } from '../../server/stores/sqlite/access.ts'
import { createChunkStore } from '../../server/stores/sqlite/chunks.ts'
import { createClientStore } from '../../server/stores/sqlite/clients.ts'
import { openDatabase, type Database } from '../../server/stores/sqlite/database.ts'
import { createDownloadStore } from '../../server/stores/sqlite/downloads.ts'
import { createEventStore } from '../../server/stores/sqlite/events.ts'
import { createDownloadLists } from '../../server/stores/sqlite/lists.ts'
import { openWal, type Wal } from '../../server/stores/sqlite/wal.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { always, chunk } from './drafts.ts'
import { checkLists } from './jobs-lists.ts'

// How SQLite carries out what the store asks of it.

let db: Database
let wal: Wal
let remove: () => Promise<void>
const asked = new Set<string>()

beforeAll(async () => {
  const at = await temporaryFolder()
  remove = at.remove
  const path = join(at.folder, 'db')
  db = openDatabase(path)
  wal = await openWal({ path: `${path}-wal`, db })
})
afterAll(async () => {
  await wal.close()
  db.close()
  await remove()
})

/** Every call of the store, upon a database that remembers what it was asked. */
function watchedStore() {
  const watched: Database = {
    ...db,
    all: (sql, parameters) => db.all(asked.add(sql) && sql, parameters),
    one: (sql, parameters) => db.one(asked.add(sql) && sql, parameters),
    run: (sql, parameters) => db.run(asked.add(sql) && sql, parameters),
  }
  const deps = { db: watched, wal }
  return {
    ...createClientStore(deps),
    ...createDownloadStore(deps),
    ...createDownloadLists(deps),
    ...createChunkStore(deps),
    events: createEventStore(deps),
    access: createAccessStore(deps),
  }
}

test('lists are what a look at every download finds; no statement looks at every download, or sorts them', async () => {
  const jobs = watchedStore()
  const downloads = await checkLists(jobs)
  const { id } = downloads[1000]!
  const set = { status: 'transferring', attempt: 1, source: 'v', size: 10 } as const
  await jobs.transition({ id, from: ['queued'], attempt: 0, session: undefined, set })
  await jobs.insertChunk(id, 1, chunk(0, 10), always)
  await jobs.overlappingChunks(id, 1, { start: 0, end: 5 })
  await jobs.chunksFrom(id, 1, 0, 10)
  await jobs.received(id, 1)
  await jobs.forgetChunks(id, 1)
  await jobs.transition({ id, from: ['transferring'], set: { status: 'completed', name: 'x', completedAt: 1 } })
  await jobs.findDownload(id)
  await jobs.addResent(id, 1)
  await jobs.openJobs('c1', 50)
  await jobs.expired(1e6, 10)
  await jobs.outstandingBytes()
  await jobs.usedBytes('c1', '')
  await jobs.keptParts(10)
  await jobs.contentToRemove(1e6, 10)
  await jobs.countOpen()
  await jobs.forgetIdempotencyKeys(0)
  await jobs.findClient('c1')
  await jobs.listClients({ labels: { site: 's1' } })
  await jobs.listClients({ labels: { site: 's1' }, search: 'c', after: 'c0', limit: 1 })
  await jobs.listClients({ search: 'c', after: 'c0', limit: 1 })
  await jobs.listClients({ seen: { after: 1, orIds: ['c1'] }, after: 'c0', limit: 1 })
  await jobs.events.after('1.1', 10)
  await jobs.events.ofDownload(id, { after: 0, limit: 10 })
  for (const narrowed of [{}, { clientId: 'c1' }, { actor: 'ann' }])
    await jobs.access.listAudit({ ...narrowed, limit: 10 })
  await jobs.recordContacts([{ clientId: 'c1', at: 2 }])
  await jobs.recordConflict({ clientId: 'c1', at: 2, hostname: 'h' })

  const plans = [...asked].map((sql) => ({
    sql,
    steps: db.all(`EXPLAIN QUERY PLAN ${sql}`).map((row) => String(row['detail'])),
  }))
  // Rows in the order of their key, up to a limit, are no scan; labels and chunks are sorted within one list of clients or one attempt.
  const [scan, sort] = [/^SCAN (downloads|chunks|names|idempotency|labels|clients|events|audit)$/, /TEMP B-TREE/]
  const few = /json_each\(:labels\)|FROM chunks WHERE download_id = :id AND attempt = :attempt/
  const inOrder = 'SELECT * FROM downloads NOT INDEXED WHERE'
  const grows = (sql: string, step: string): boolean =>
    (scan.test(step) && !sql.startsWith(inOrder)) || (sort.test(step) && !few.test(sql))
  expect(asked.size).toBeGreaterThan(50)
  expect(plans.filter(({ sql, steps }) => steps.some((step) => grows(sql, step)))).toEqual([])
})
