import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openDatabase, type Database } from '../../server/stores/postgres/database.ts'
import { keepWakeLog, readFirst, type Position } from '../../server/stores/postgres/wake-log.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { until } from '../helpers/until.ts'

describeWith({ otherwise: postgresLacking() }, 'the log of wakes', () => {
  let db: Database
  let from: Position
  let heard: string[]

  beforeEach(async () => {
    db = await openDatabase({ url: await databaseUrl() })
    from = await readFirst(db)
    heard = []
  })
  afterEach(() => db.close())

  const log = (position: Position, pruneEvery?: number) =>
    keepWakeLog({
      from: position,
      wake: (topics) => void heard.push(...topics),
      wakeAll: () => void heard.push('all'),
      ...(pruneEvery === undefined ? {} : { pruneEvery }),
    })
  const note = (topic: string, age = 0): Promise<number> =>
    db.run(`INSERT INTO wakes (topic, at) VALUES (:topic, now() - :age * interval '1 second')`, { topic, age })

  test('tells each change once, in whichever order transactions end', async () => {
    const { turn } = log(from)
    await note('client:a')
    await db.transaction(async (tx) => {
      await tx.run(`INSERT INTO wakes (topic) VALUES ('client:late')`)
      await note('client:b')
      await note('client:b')
      await turn(db.pool)
      expect(heard.toSorted()).toEqual(['client:a', 'client:b'])
      await turn(db.pool)
      await note('client:c')
      await turn(db.pool)
    })
    await turn(db.pool)
    await turn(db.pool)
    expect(heard.slice(2)).toEqual(['client:c', 'client:late'])
  })

  test('lets everybody look where it cannot know: after a long absence, and in a database that was put back', async () => {
    await log({ ...from, at: from.at - 61_000 }).turn(db.pool)
    expect(heard).toEqual(['all'])
    await log({ ...from, snapshot: '4000000:4000000:' }).turn(db.pool)
    expect(heard).toEqual(['all', 'all'])
  })

  test('forgets with each turn while there is more than one forgets', async () => {
    await db.run(`INSERT INTO wakes (topic, at) SELECT 'old', now() - interval '1 hour' FROM generate_series(1, 25000)`)
    // Of the first turns, one begins to prune, sooner or later.
    const { turn } = log(await readFirst(db), 3000)
    const left = async (): Promise<number> => Number((await db.one('SELECT count(*) AS left FROM wakes'))?.['left'])
    await until('it to begin', async () => {
      await turn(db.pool)
      return (await left()) === 15_000
    })
    await turn(db.pool)
    expect(await left()).toBe(5_000)
    await turn(db.pool)
    expect(await left()).toBe(0)
  })

  test('forgets what is older than two minutes', async () => {
    for (const [topic, age] of Object.entries({ old: 130, older: 1000, young: 60 })) await note(topic, age)
    await log(from, 0).turn(db.pool)
    expect(await db.query('SELECT topic FROM wakes')).toEqual([{ topic: 'young' }])
  })
})
