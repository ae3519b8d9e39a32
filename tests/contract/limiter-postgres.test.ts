import { afterEach, expect, test } from '@jest/globals'
import { RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible'
import { openDatabase, type Database } from '../../server/stores/postgres/database.ts'
import { createMakeLimiter } from '../../server/stores/postgres/limiter.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgres, postgresLacking } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

describeWith({ otherwise: postgresLacking() }, 'limits on PostgreSQL', () => {
  const databases: Database[] = []
  afterEach(async () => {
    for (const db of databases.splice(0)) await db.close()
  })

  const two = async (limit: { name: string; points: number; seconds: number }) => {
    const url = await databaseUrl()
    const limiters: RateLimiterAbstract[] = []
    for (const _ of [1, 2]) {
      const db = await openDatabase({ url })
      databases.push(db)
      limiters.push(createMakeLimiter({ db })(limit))
    }
    return limiters as [RateLimiterAbstract, RateLimiterAbstract]
  }
  const admitted = (limiter: RateLimiterAbstract, key: string): Promise<boolean> =>
    limiter.consume(key).then(
      () => true,
      (refusal: unknown) => {
        if (refusal instanceof RateLimiterRes) return false
        throw refusal
      },
    )

  test('count together what comes to several servers, each caller apart', async () => {
    const [a, b] = await two({ name: 'failures', points: 10, seconds: 60 })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => admitted(n % 2 ? a : b, 'x')))
    expect(answers.filter(Boolean)).toHaveLength(10)
    expect([await admitted(a, 'y'), await admitted(b, 'x')]).toEqual([true, false])
    expect((await b.get('x'))?.consumedPoints).toBeGreaterThanOrEqual(10)
    expect((await b.get('y'))?.consumedPoints).toBe(1)
    expect(await b.get('z')).toBeNull()
    expect(await admitted(a, 'an address that is none '.repeat(100))).toBe(true)
  })

  test('of different names are apart', async () => {
    const [a] = await two({ name: 'failures', points: 1, seconds: 60 })
    const other = createMakeLimiter({ db: databases[0]! })({ name: 'calls', points: 1, seconds: 60 })
    expect([await admitted(a, 'x'), await admitted(other, 'x'), await admitted(a, 'x')]).toEqual([true, true, false])
  })

  test('begin anew when their time is over', async () => {
    const [a, b] = await two({ name: 'failures', points: 1, seconds: 1 })
    expect([await admitted(a, 'x'), await admitted(b, 'x')]).toEqual([true, false])
    await until('another to be let in', () => admitted(b, 'x'))
  })

  test('hold for each server by itself while the database is away, and refuse nobody for that', async () => {
    const [a, b] = await two({ name: 'failures', points: 2, seconds: 60 })
    await admitted(a, 'x')
    const server = await postgres()
    await server.stop()
    try {
      expect([await admitted(a, 'x'), await admitted(a, 'x'), await admitted(a, 'x')]).toEqual([true, true, false])
      expect([await admitted(b, 'x'), (await b.get('x'))?.consumedPoints]).toEqual([true, 1])
    } finally {
      await server.start()
    }
    await until('the database to be asked again', async () => {
      const found = await a.get('x')
      return found?.consumedPoints === 1
    })
  })
})
