import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openDatabase, type Database } from '../../server/stores/postgres/database.ts'
import { createEventStore, mendEvents } from '../../server/stores/postgres/events.ts'
import { createJobStore } from '../../server/stores/postgres/jobs.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { draft } from './drafts.ts'
import { eventStoreContract } from './events.ts'

const place = async () => {
  const url = await databaseUrl()
  return {
    open: async () => {
      const db = await openDatabase({ url })
      return { jobs: createJobStore({ db }), events: createEventStore({ db }) }
    },
    remove: async () => undefined,
  }
}

const MANY = process.env['BACKHAUL_TESTS'] === 'all' ? 1_000_000 : 100_000

describeWith({ otherwise: postgresLacking() }, 'events on PostgreSQL', () => {
  eventStoreContract('postgres', place)

  let db: Database

  beforeEach(async () => {
    db = await openDatabase({ url: await databaseUrl() })
    await createJobStore({ db }).recordContacts([{ clientId: 'e1', at: 1 }])
  })
  afterEach(() => db.close())

  const make = async (): Promise<string> =>
    (await createJobStore({ db }).createDownloads([draft('e1')])).downloads[0]!.id
  const insert = `INSERT INTO events (at, type, client_id) VALUES (1, :type, 'e1')`

  test('a transaction that began earlier and ends later is not missed, and tells nobody before', async () => {
    const events = createEventStore({ db })
    let position = await events.newest()
    const read: string[] = []
    const readOn = async (): Promise<void> => {
      const page = (await events.after(position, 10))!
      read.push(...page.map(({ type, downloadId }) => downloadId ?? type))
      position = page.at(-1)?.position ?? position
    }
    const first = await make()
    let second = ''
    await db.transaction(async (tx) => {
      await tx.run(insert, { type: 'late' })
      second = await make()
      await readOn()
      expect(read).toEqual([first])
      // Who comes now begins before what is under way.
      expect(await events.newest()).toBe(position)
    })
    await readOn()
    await readOn()
    expect(read).toEqual([first, 'late', second])
  })

  test('what is rolled back is no event', async () => {
    const events = createEventStore({ db })
    const since = await events.newest()
    const undone = db.transaction(async (tx) => {
      await tx.run(insert, { type: 'undone' })
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    const id = await make()
    expect(await events.after(since, 10)).toMatchObject([{ downloadId: id }])
  })

  test('in another PostgreSQL a dump has its events, no positions of before, and what happens next', async () => {
    const events = createEventStore({ db })
    const old = await make()
    const before = await events.newest()
    // As the other one had counted much further.
    await db.run(`UPDATE events SET xid = (xid::text::bigint + 1000000)::text::xid8`)
    const ahead = `${1_000_000 + Number(before.split('-')[0])}-1`
    await mendEvents(db)
    const next = await make()
    for (const position of [before, ahead]) expect(await events.after(position, 10)).toBeUndefined()
    const now = await events.newest()
    const last = await make()
    expect(await events.after(now, 10)).toMatchObject([{ downloadId: last }])
    for (const id of [old, next])
      expect(await events.ofDownload(id, { after: 0, limit: 10 })).toMatchObject([{ downloadId: id }])
    await mendEvents(db)
    expect(await events.after(now, 10)).toHaveLength(1)
  })

  test('no question to the log looks at more of it the longer it is', async () => {
    const asked: { sql: string; parameters: Record<string, unknown> }[] = []
    const remember =
      <T>(ask: (sql: string, parameters?: Record<string, never>) => Promise<T>) =>
      (sql: string, parameters = {}): Promise<T> => {
        asked.push({ sql, parameters })
        return ask(sql, parameters)
      }
    const events = createEventStore({ db: { ...db, query: remember(db.query), one: remember(db.one) } })
    const id = await make()
    await db.run(
      `INSERT INTO events (xid, at, type, client_id, download_id)
       SELECT (n / 10)::text::xid8, n, 'download.begun', 'e1', 'd' || n / 5 FROM generate_series(1, :many::integer) AS n`,
      { many: MANY },
    )
    await db.run('VACUUM (ANALYZE) events')
    await events.newest()
    await events.after(`${MANY / 20}-${MANY / 2}`, 100)
    await events.ofDownload(id, { after: 0, limit: 100 })
    await events.ofDownload('d7', { after: 0, limit: 100 })
    await events.forget(5, 100)
    expect(asked).toHaveLength(6)
    for (const { sql, parameters } of asked) {
      const [row] = await db.query(
        `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${sql}`,
        parameters as Record<string, never>,
      )
      const [top] = row!['QUERY PLAN'] as { Plan: Record<string, number> }[]
      expect([sql, top!.Plan['Shared Hit Blocks']! + top!.Plan['Shared Read Blocks']! < 300]).toEqual([sql, true])
    }
  }, 120_000)
})
