import { expect, test } from '@jest/globals'
import { openPostgres } from '../../server/stores/postgres/index.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { expected } from '../helpers/reports.ts'

describeWith({ otherwise: postgresLacking() }, 'two servers on one PostgreSQL', () => {
  test('share all of it, and leave nothing open', async () => {
    const url = await databaseUrl()
    const [a, b] = await Promise.all([openPostgres({ url, report: expected }), openPostgres({ url, report: expected })])
    expect(await a.access.secret('x')).toEqual(await b.access.secret('x'))
    await a.jobs.recordContacts([{ clientId: 'shop', at: 1 }])
    expect(await b.jobs.findClient('shop')).toMatchObject({ id: 'shop', lastSeen: 1 })
    expect([await a.leases.hold('x'), await b.leases.hold('x')]).toEqual([true, false])
    const limit = { name: 'x', points: 1, seconds: 60 }
    await a.makeLimiter(limit).consume('y')
    await expect(b.makeLimiter(limit).consume('y')).rejects.toMatchObject({ remainingPoints: 0 })
    const heard = new Promise<void>((resolve) => void b.wakes.subscribe('download:x', resolve))
    const again = setInterval(() => a.wakes.wake(['download:x']), 100)
    await heard
    clearInterval(again)
    for (const { wakes, leases, jobs } of [a, b]) {
      await wakes.close()
      await leases.close()
      await jobs.close()
    }
  })

  test('say that it cannot be reached', async () => {
    const opening = openPostgres({ url: 'postgres://nobody@127.0.0.1:1/nothing', report: expected })
    await expect(opening).rejects.toMatchObject({ code: 'store-busy' })
  }, 60_000)
})
