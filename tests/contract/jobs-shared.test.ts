import { afterEach, beforeEach, expect } from '@jest/globals'
import { AppError } from '../../shared/errors.ts'
import type { CommitState, DownloadRecord, JobStore } from '../../server/ports.ts'
import { NewerDatabaseError } from '../../server/stores/newer-database.ts'
import { openDatabase } from '../../server/stores/postgres/database.ts'
import { createJobStore } from '../../server/stores/postgres/jobs.ts'
import { testWith } from '../helpers/needs.ts'
import { databaseUrl, postgres, postgresLacking } from '../helpers/postgres.ts'
import { chunk, draft, sessionRequest } from './drafts.ts'

// Two servers with a store each on one PostgreSQL.

const needs = { otherwise: postgresLacking() }
const none = (): void => undefined
let stores: JobStore[] = []

beforeEach(async () => {
  if (needs.otherwise !== undefined) return
  const url = await databaseUrl()
  // They start at the same time, on a database that has no tables yet.
  stores = await Promise.all([1, 2].map(async () => createJobStore({ db: await openDatabase({ url }) })))
  const contacts = ['r1', 'r2', 'r3'].map((clientId) => ({ clientId, at: 1 }))
  await Promise.all(stores.map((store) => store.recordContacts(contacts)))
})
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  stores = []
})

const either = (n: number): JobStore => stores[n % stores.length]!
const times = <T>(count: number, make: (n: number) => Promise<T>): Promise<PromiseSettledResult<T>[]> =>
  Promise.allSettled(Array.from({ length: count }, (_, n) => make(n)))
const values = <T>(results: readonly PromiseSettledResult<T>[]): T[] =>
  results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
const codes = (results: readonly PromiseSettledResult<unknown>[]): unknown[] =>
  results.flatMap((result) => (result.status === 'rejected' ? [(result.reason as AppError).code ?? result.reason] : []))

async function started(clientId = 'r1', session?: string): Promise<DownloadRecord> {
  const { downloads } = await either(0).createDownloads([draft(clientId)])
  const set = { status: 'transferring', attempt: 1, source: 'v1', size: 1000 } as const
  return (await either(0).transition({ id: downloads[0]!.id, from: ['queued'], session, set }))!
}

/** As the domain checks: the same bytes are there already, or others, or the session has passed. */
const checkedFor =
  (range: { start: number; end: number }, session?: string) =>
  (state: CommitState): 'insert' | 'replay' => {
    if (session !== undefined && state.session !== session) throw new AppError('session-superseded', 'superseded')
    const [first] = state.overlapping
    if (!first) return 'insert'
    if (first.start === range.start && first.end === range.end) return 'replay'
    throw new AppError('range-conflict', 'conflict')
  }

testWith(needs, 'a chunk that comes to both is inserted once, and replayed otherwise', async () => {
  const { id } = await started()
  const range = chunk(0, 100)
  const results = values(await times(40, (n) => either(n).insertChunk(id, 1, range, checkedFor(range))))
  expect(results).toHaveLength(40)
  expect(results.filter((download) => download !== undefined)).toMatchObject([{ bytesReceived: 100 }])
  expect(await either(0).findDownload(id)).toMatchObject({ bytesReceived: 100 })
  expect(await either(1).received(id, 1)).toEqual([{ start: 0, end: 100 }])
})

testWith(needs, 'of chunks that overlap, one is inserted, whichever server they come to', async () => {
  const downloads = await Promise.all(['r1', 'r2', 'r3'].map((client) => started(client)))
  for (const { id } of downloads) {
    const results = await times(20, (n) => {
      const range = chunk(n, n + 30)
      return either(n).insertChunk(id, 1, range, checkedFor(range))
    })
    expect(values(results)).toHaveLength(1)
    expect(new Set(codes(results))).toEqual(new Set(['range-conflict']))
  }
})

testWith(needs, 'chunks of many downloads, from both servers at once, are all counted', async () => {
  const downloads = await Promise.all(Array.from({ length: 12 }, (_, n) => started(`r${1 + (n % 3)}`)))
  const results = await times(600, (n) => {
    const range = chunk(Math.floor(n / 12) * 10, Math.floor(n / 12) * 10 + 10)
    return either(n).insertChunk(downloads[n % 12]!.id, 1, range, checkedFor(range))
  })
  expect(codes(results)).toEqual([])
  for (const { id } of downloads) {
    expect(await either(0).findDownload(id)).toMatchObject({ bytesReceived: 500 })
    expect(await either(1).received(id, 1)).toEqual([{ start: 0, end: 500 }])
  }
})

testWith(needs, 'of servers that change one download, one does', async () => {
  const { id } = await started()
  const results = values(
    await times(20, (n) =>
      either(n).transition({ id, from: ['transferring'], attempt: 1, set: { status: 'queued', attempt: n + 2 } }),
    ),
  )
  expect(results.filter((download) => download !== undefined)).toHaveLength(1)
  expect(results).toHaveLength(20)
})

testWith(needs, 'a name is given to one of those who claim it at the same moment', async () => {
  const downloads = await Promise.all(Array.from({ length: 8 }, () => started()))
  const results = await times(8, (n) =>
    either(n).transition({
      id: downloads[n]!.id,
      from: ['transferring'],
      set: { status: 'verifying', name: n % 2 ? 'A' : 'a' },
    }),
  )
  expect(values(results)).toHaveLength(1)
  expect(codes(results)).toEqual(Array.from({ length: 7 }, () => 'name-taken'))
})

testWith(needs, 'sessions that begin at the same moment have different numbers, and one is the newest', async () => {
  const sessions = values(await times(20, (n) => either(n).beginSession(sessionRequest('r9', `i${n}`), n, none)))
  expect(new Set(sessions.map(({ session }) => session?.split('.')[0])).size).toBe(20)
  const newest = await either(0).findClient('r9')
  expect(newest?.session).toMatch(/^20\./)
  expect(newest?.rev).toBe(21)
})

testWith(needs, 'once a session has begun, nothing of the one before is written', async () => {
  const old = (await either(0).beginSession(sessionRequest('r1', 'old'), 1, none)).session!
  const { id } = await started('r1', old)
  let begun = false
  const late: number[] = []
  const writing = times(300, async (n) => {
    const range = chunk(n, n + 1)
    const after = begun
    await either(n).insertChunk(id, 1, range, checkedFor(range, old))
    if (after) late.push(n)
  })
  await either(1).beginSession(sessionRequest('r1', 'new'), 2, none)
  begun = true
  const seen = await either(1).received(id, 1)
  await writing
  expect(await either(0).received(id, 1)).toEqual(seen)
  expect(late).toEqual([])
  const set = { status: 'failed' } as const
  expect(await either(0).transition({ id, from: ['transferring'], session: old, set })).toBeUndefined()
})

testWith(needs, 'one idempotency key, used on both servers at the same moment, makes downloads once', async () => {
  const results = values(
    await times(10, (n) =>
      either(n).createDownloads([draft('r1'), draft('r2')], { key: 'k', request: 'same for all' }),
    ),
  )
  expect(results.filter(({ replayed }) => !replayed)).toHaveLength(1)
  expect(new Set(results.map(({ downloads }) => downloads.map(({ id }) => id).join())).size).toBe(1)
  expect(await either(0).listDownloads({ limit: 10 })).toHaveLength(2)
})

testWith(
  needs,
  'batches for the same clients in other orders, contacts and sessions stand in nobody’s way',
  async () => {
    const clients = Array.from({ length: 200 }, (_, n) => `c${n}`)
    await either(0).recordContacts(clients.map((clientId) => ({ clientId, at: 1 })))
    const results = await times(40, async (n) => {
      const own = n % 2 ? clients : clients.toReversed()
      if (n % 4 < 2) await either(n >> 2).createDownloads(own.map((clientId) => draft(clientId)))
      else await either(n >> 2).recordContacts(own.map((clientId) => ({ clientId, at: n })))
      await either(n).beginSession(sessionRequest(`c${n}`, 'i'), n, none)
    })
    expect(codes(results)).toEqual([])
    expect(await either(0).listDownloads({ clientId: 'c199', limit: 100 })).toHaveLength(20)
    expect((await either(1).findClient('c199'))?.rev).toBe(21)
  },
)

testWith(needs, 'a database that restarted is used again; one that is away is said to be busy', async () => {
  const server = await postgres()
  const { id } = await started()
  await server.restart()
  const range = chunk(0, 10)
  expect(await either(0).insertChunk(id, 1, range, checkedFor(range))).toMatchObject({ bytesReceived: 10 })
  await server.stop('immediate')
  const results = await times<unknown>(4, (n) => (n < 2 ? either(n).findDownload(id) : either(n).addResent(id, 1)))
  expect(codes(results)).toEqual(Array.from({ length: 4 }, () => 'store-busy'))
  await server.start()
  expect(await either(0).findDownload(id)).toMatchObject({ bytesReceived: 10 })
})

testWith(needs, 'a start refuses a database that a newer program has changed, and changes nothing', async () => {
  const url = await databaseUrl()
  const db = await openDatabase({ url })
  await db.run('UPDATE schema_version SET version = 99')
  await expect(openDatabase({ url })).rejects.toThrow(NewerDatabaseError)
  expect(await db.one('SELECT version FROM schema_version')).toEqual({ version: 99 })
  await db.close()
})
