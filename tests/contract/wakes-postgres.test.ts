import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import type { WakeBus } from '../../server/ports.ts'
import { openDatabase, type Database } from '../../server/stores/postgres/database.ts'
import { openWakes, packed } from '../../server/stores/postgres/wakes.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgres, postgresLacking } from '../helpers/postgres.ts'
import { startProxy } from '../helpers/proxy.ts'
import { until } from '../helpers/until.ts'
import { expected } from '../helpers/reports.ts'

/** How long a wake may take that does not get lost, and one that does, in ms: on a machine that does other things, too. */
const SOON = 900
const MADE_GOOD = 10_000

/** One server's. */
interface Side {
  db: Database
  wakes: WakeBus
}

describeWith({ otherwise: postgresLacking() }, 'wakes over PostgreSQL', () => {
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })

  const open = async (url: string, listenUrl = url): Promise<Side> => {
    const db = await openDatabase({ url })
    const wakes = await openWakes({ url: listenUrl, db, report: expected })
    ends.push(async () => {
      await wakes.close()
      await db.close()
    })
    return { db, wakes }
  }
  const two = async (): Promise<[Side, Side]> => {
    const url = await databaseUrl()
    const sides = await Promise.all([open(url), open(url)])
    await Promise.all(sides.map(({ db }) => listening(db, 2)))
    return sides
  }
  /** Until so many connections listen on this database. */
  const listening = (db: Database, count: number, except: readonly number[] = []): Promise<number[]> =>
    until(`${count} that listen`, async () => {
      const rows = await db
        .query(
          `SELECT pid FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'backhaul wakes' AND query <> 'LISTEN backhaul'
             AND query <> '' AND pid <> ALL (:except::int[])`,
          { except },
        )
        .catch(() => [])
      return rows.length >= count && rows.map((row) => Number(row['pid']))
    })
  const next = ({ wakes }: Side, topic: string): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const asked = performance.now()
    const end = wakes.subscribe(topic, () => {
      end()
      resolve(performance.now() - asked)
    })
    return promise
  }
  /** What another server commits, and then dies before it tells. */
  const changeClient = ({ db }: Side): Promise<number> =>
    db.run(`INSERT INTO clients AS c (id, last_seen) VALUES ('shop', 1) ON CONFLICT (id) DO UPDATE SET rev = c.rev + 1`)

  test('reach other servers at once, and the own one before the call returns', async () => {
    const [a, b] = await two()
    let own = 0
    a.wakes.subscribe('bytes:x', () => (own += 1))
    const heard = next(b, 'bytes:x')
    a.wakes.wake(['bytes:x'])
    expect(own).toBe(1)
    expect(await heard).toBeLessThan(SOON)
    // What comes back is nothing new.
    const back = next(a, 'bytes:y')
    b.wakes.wake(['bytes:y'])
    await back
    expect(own).toBe(1)
  })

  test('of thousands of clients at once reach all who wait for them', async () => {
    const [a, b] = await two()
    const topics = Array.from({ length: 5000 }, (_, n) => `client:a-site-with-a-name-${n}`)
    const heard = Promise.all(topics.map((topic) => next(b, topic)))
    a.wakes.wake(topics)
    await heard
  })

  test('that got lost are made good by what the database has noted', async () => {
    const [a, b] = await two()
    await changeClient(a)
    const pids = await listening(a.db, 2)
    const heard = next(b, 'client:shop')
    await a.db.query('SELECT pg_terminate_backend(pid) FROM unnest(:pids::int[]) AS pid', { pids })
    await changeClient(a)
    expect(await heard).toBeLessThan(MADE_GOOD)
    // And those that listen are there again.
    await listening(a.db, 2, pids)
    const again = next(b, 'download:x')
    a.wakes.wake(['download:x'])
    expect(await again).toBeLessThan(SOON)
  })

  test('that are noted by a long transaction are heard when it ends, and hold no other up', async () => {
    const [a, b] = await two()
    await changeClient(a)
    await a.db.run(`INSERT INTO clients (id, last_seen) VALUES ('slow', 1)`)
    const slow = next(b, 'client:slow')
    const [written, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const long = a.db.transaction(async (tx) => {
      await tx.run(`UPDATE clients SET rev = rev + 1 WHERE id = 'slow'`)
      written.resolve()
      await mayEnd.promise
    })
    await written.promise
    for (const _ of [1, 2]) {
      const quick = next(b, 'client:shop')
      await changeClient(a)
      expect(await quick).toBeLessThan(MADE_GOOD)
    }
    mayEnd.resolve()
    await long
    expect(await slow).toBeLessThan(MADE_GOOD)
  })

  test('tell of tokens that were revoked', async () => {
    const [a, b] = await two()
    await a.db.run(`INSERT INTO credentials (id, client_id, created_at) VALUES ('c', 'shop', 1)`)
    const heard = next(b, 'access:c')
    await a.db.run(`UPDATE credentials SET revoked_at = 2 WHERE id = 'c'`)
    expect(await heard).toBeLessThan(MADE_GOOD)
  })

  test('work again after the database was stopped, and after it crashed', async () => {
    const [a, b] = await two()
    const server = await postgres()
    for (const how of ['fast', 'immediate'] as const) {
      await server.stop(how)
      a.wakes.wake(['download:lost'])
      await server.start()
      await listening(a.db, 2)
      const heard = next(b, 'download:x')
      await until('a wake', async () => {
        a.wakes.wake(['download:x'])
        return Promise.race([heard, delay(100, undefined)])
      })
    }
  })

  test('come over a new connection where nothing comes over the old one any more', async () => {
    const url = await databaseUrl()
    const { port } = await postgres()
    const proxy = await startProxy(`http://127.0.0.1:${port}`)
    ends.push(() => proxy.close())
    const a = await open(url)
    const b = await open(url, url.replace(`:${port}`, `:${new URL(proxy.url).port}`))
    await listening(a.db, 2)
    await changeClient(a)
    proxy.forget()
    const heard = next(b, 'client:shop')
    await changeClient(a)
    expect(await heard).toBeLessThan(MADE_GOOD)
  })

  test('go to everybody who waits, where a server was away for too long to know what it has missed', async () => {
    const [a, b] = await two()
    const waiting = Promise.all([next(b, 'client:one'), next(b, 'access:two')])
    await a.db.run(`INSERT INTO wakes (topic) SELECT 'client:many-' || n FROM generate_series(1, 20000) AS n`)
    await waiting
  })

  test('fit into what PostgreSQL takes', () => {
    const topics = Array.from({ length: 1000 }, (_, n) => `client:ö-${n}`)
    const payloads = packed('me', topics)
    expect(Math.max(...payloads.map((payload) => Buffer.byteLength(payload)))).toBeLessThan(8000)
    expect(payloads.flatMap((payload) => payload.split('\n').slice(1))).toEqual(topics)
  })
})
