import { afterEach, expect, test } from '@jest/globals'
import type { Leases } from '../../server/ports.ts'
import { openDatabase, type Database } from '../../server/stores/postgres/database.ts'
import { openLeases } from '../../server/stores/postgres/leases.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'
import { expected } from '../helpers/reports.ts'

describeWith({ otherwise: postgresLacking() }, 'leases on PostgreSQL', () => {
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
  })

  const open = async (url: string, times: { alive?: number; renewEvery?: number } = {}) => {
    const db = await openDatabase({ url })
    const leases = openLeases({ db, report: expected, ...times })
    ends.push(async () => {
      await leases.close()
      await db.close()
    })
    return { db, leases }
  }
  const two = async (times?: { alive: number; renewEvery: number }): Promise<[Leases, Leases, Database]> => {
    const url = await databaseUrl()
    const [a, b] = [await open(url, times), await open(url)]
    return [a.leases, b.leases, b.db]
  }

  test('are held by one of two, until it gives them back', async () => {
    const [a, b] = await two()
    expect([await a.hold('sweep'), await b.hold('sweep')]).toEqual([true, false])
    expect([await a.hold('sweep'), await b.hold('other'), await a.hold('other')]).toEqual([true, true, false])
    await b.release('sweep')
    expect(await b.hold('sweep')).toBe(false)
    await a.release('sweep')
    expect([await b.hold('sweep'), await a.hold('sweep')]).toEqual([true, false])
  })

  test('are held by one, whoever asks at once', async () => {
    const [a, b] = await two()
    for (let round = 0; round < 20; round += 1) {
      const held = await Promise.all([a, b, a, b].map((each) => each.hold(`lease ${round}`)))
      expect([held[0] !== held[1], held[0] === held[2], held[1] === held[3]]).toEqual([true, true, true])
    }
  })

  test('of a server that ends go to the others at once', async () => {
    const [a, b] = await two()
    expect(await a.hold('sweep')).toBe(true)
    await a.close()
    expect(await b.hold('sweep')).toBe(true)
    expect(await a.hold('sweep')).toBe(false)
  })

  test('of a server that is not heard of any more go to the others, and it learns of that when it comes back', async () => {
    const [a, b] = await two({ alive: 1000, renewEvery: 3600_000 })
    expect([await a.hold('sweep'), await b.hold('sweep')]).toEqual([true, false])
    await until('the other to take over', () => b.hold('sweep'))
    expect([await a.hold('sweep'), await a.hold('another')]).toEqual([false, true])
  })

  test('stay with a server that is heard of', async () => {
    const [a, b] = await two({ alive: 10_000, renewEvery: 100 })
    expect(await a.hold('sweep')).toBe(true)
    const end = performance.now() + 12_000
    await until('time to pass', async () => {
      expect(await b.hold('sweep')).toBe(false)
      return performance.now() > end
    })
  })

  test('are certain as long as this server is heard of, and no longer: before another can have them', async () => {
    const [a, b] = await two({ alive: 2000, renewEvery: 3600_000 })
    expect(await a.hold('sweep')).toBe(true)
    const first = a.certain()
    expect(first.aborted).toBe(false)
    await until('the other to take over', () => b.hold('sweep'))
    expect([first.aborted, a.certain().aborted]).toEqual([true, false])

    const [heard] = await two({ alive: 10_000, renewEvery: 100 })
    expect(await heard.hold('sweep')).toBe(true)
    const certain = heard.certain()
    const end = performance.now() + 12_000
    await until('time to pass', async () => performance.now() > end)
    expect([certain.aborted, heard.certain()]).toEqual([false, certain])
  })

  test('and servers leave no rows behind', async () => {
    const url = await databaseUrl()
    const dead = await openDatabase({ url })
    await openLeases({ db: dead, report: expected, alive: 50, renewEvery: 3600_000 }).hold('sweep')
    await dead.close()
    const { db, leases } = await open(url, { alive: 200, renewEvery: 50 })
    await leases.hold('other')
    await until('the dead to be forgotten', async () => (await db.query('SELECT * FROM servers')).length === 1)
    expect(await db.query('SELECT name FROM leases')).toEqual([{ name: 'other' }])
    await leases.close()
    expect([await db.query('SELECT * FROM servers'), await db.query('SELECT * FROM leases')]).toEqual([[], []])
  })
})
