import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { DownloadFilter, DownloadRecord } from '../../server/ports.ts'
import { createChunkStore } from '../../server/stores/sqlite/chunks.ts'
import { createClientStore } from '../../server/stores/sqlite/clients.ts'
import { openDatabase, type Database } from '../../server/stores/sqlite/database.ts'
import { createDownloadStore } from '../../server/stores/sqlite/downloads.ts'
import { createDownloadLists } from '../../server/stores/sqlite/lists.ts'
import { openWal, type Wal } from '../../server/stores/sqlite/wal.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { always, chunk, draft, sessionRequest } from './drafts.ts'

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
  }
}

const filters: Omit<DownloadFilter, 'limit'>[] = [
  {},
  { clientId: 'c1' },
  { status: ['failed'] },
  { status: ['failed', 'queued', 'failed'] },
  { clientId: 'c1', status: ['failed', 'queued'] },
  { clientId: 'c1', path: null, status: ['queued'] },
  { clientId: 'c1', path: 'p' },
  { note: 'n1' },
  { note: 'n1', clientId: 'c1', status: ['queued'] },
  { batchId: 'b1' },
  { batchId: 'b1', status: ['queued', 'failed'] },
  { labels: { use: 'seldom' } },
  { labels: { use: 'seldom', site: 's1' }, status: ['queued', 'failed'] },
  { labels: { site: 's1' } },
  { labels: { site: 's1' }, clientId: 'c1' },
  { labels: { site: 's1' }, clientId: 'c2' },
  { labels: { site: 's1' }, note: 'n1' },
]

function fits(
  filter: Omit<DownloadFilter, 'limit'>,
  download: DownloadRecord,
  labels: Record<string, string>,
): boolean {
  return (
    (filter.clientId ?? download.clientId) === download.clientId &&
    (filter.status ?? [download.status]).includes(download.status) &&
    (filter.note ?? download.note) === download.note &&
    (filter.batchId ?? download.batchId) === download.batchId &&
    (filter.path === undefined || filter.path === download.path) &&
    Object.entries(filter.labels ?? {}).every(([key, value]) => labels[key] === value)
  )
}

test('lists are what a look at every download finds; no statement looks at every download, or sorts them', async () => {
  const jobs = watchedStore()
  const labelsOf: Record<string, Record<string, string>> = {
    c0: { use: 'seldom', site: 's1' },
    c1: { site: 's1' },
    c2: { site: 's2' },
    c3: { use: 'seldom' },
  }
  for (const [id, labels] of Object.entries(labelsOf))
    await jobs.beginSession(sessionRequest(id, 'i', labels), 1, () => undefined)
  // The two with the label that is seldom have the oldest only.
  const drafts = Array.from({ length: 2500 }, (_, n) =>
    draft(n < 60 ? `c${n % 4}` : `c${1 + (n % 2)}`, {
      note: n % 7 === 0 ? 'n1' : null,
      batchId: n % 11 === 0 ? 'b1' : null,
      path: n % 3 === 0 ? 'p' : null,
    }),
  )
  const { downloads } = await jobs.createDownloads(drafts, { key: 'k', request: 'r' })
  for (const { id } of downloads.filter(({ seq }) => seq % 5 === 0 && seq < 400))
    await jobs.transition({ id, from: ['queued'], set: { status: 'failed', completedAt: 1 } })

  const all = await jobs.listDownloads({ limit: 5000 })
  expect(all).toHaveLength(2500)
  for (const filter of filters) {
    const wanted = all.filter((download) => fits(filter, download, labelsOf[download.clientId] ?? {}))
    for (const before of [undefined, 45, 1500]) {
      for (const limit of [3, 100]) {
        const expected = wanted.filter(({ seq }) => seq < (before ?? Infinity)).slice(0, limit)
        const found = await jobs.listDownloads({ ...filter, before, limit })
        expect({ filter, before, seqs: found.map(({ seq }) => seq) }).toEqual({
          filter,
          before,
          seqs: expected.map(({ seq }) => seq),
        })
      }
    }
  }

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
  await jobs.recordContacts([{ clientId: 'c1', at: 2 }])
  await jobs.recordConflict({ clientId: 'c1', at: 2, hostname: 'h' })

  const plans = [...asked].map((sql) => ({
    sql,
    steps: db.all(`EXPLAIN QUERY PLAN ${sql}`).map((row) => String(row['detail'])),
  }))
  // Rows in the order of their key, up to a limit, are no scan; labels and chunks are sorted within one list of clients or one attempt.
  const [scan, sort] = [/^SCAN (downloads|chunks|names|idempotency|labels|clients)$/, /TEMP B-TREE/]
  const few = /json_each\(:labels\)|FROM chunks WHERE download_id = :id AND attempt = :attempt/
  const inOrder = 'SELECT * FROM downloads NOT INDEXED WHERE'
  const grows = (sql: string, step: string): boolean =>
    (scan.test(step) && !sql.startsWith(inOrder)) || (sort.test(step) && !few.test(sql))
  expect(asked.size).toBeGreaterThan(50)
  expect(plans.filter(({ sql, steps }) => steps.some((step) => grows(sql, step)))).toEqual([])
})
