import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createPresence } from '../../server/domain/presence.ts'
import type { JobStore } from '../../server/ports.ts'
import { openSqlite } from '../../server/stores/sqlite/index.ts'
import { temporaryFolder } from '../helpers/folder.ts'

describe('presence', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let jobs: JobStore

  beforeEach(async () => {
    place = await temporaryFolder()
    jobs = (await openSqlite({ path: join(place.folder, 'jobs.db') })).jobs
  })
  afterEach(async () => {
    await jobs.close()
    await place.remove()
  })

  test('who was seen is written down later when the database was locked', async () => {
    const clock = { now: () => 1_000_000, monotonic: () => performance.now() }
    const presence = createPresence({ jobs, clock, waitMs: 1000, elsewhere: false })
    presence.contact('till')
    const other = new DatabaseSync(join(place.folder, 'jobs.db'))
    other.exec('BEGIN IMMEDIATE')
    await expect(presence.flush()).rejects.toMatchObject({ code: 'store-busy' })
    other.exec('ROLLBACK')
    other.close()
    await presence.flush()
    expect(await jobs.findClient('till')).toMatchObject({ lastSeen: 1_000_000 })
  })

  test.each([
    ['one server', false, ['row', 'till']],
    ['several servers', true, ['gone', 'row', 'till']],
  ])('of %s as many are counted as are online', async (_name, elsewhere, online) => {
    const clock = { now: () => 1_000_000, monotonic: () => 1_000_000 }
    const since = elsewhere ? 180_000 : 3000
    const presence = createPresence({ jobs, clock, waitMs: 1000, elsewhere })
    await jobs.recordContacts([
      { clientId: 'row', at: 1_000_000 - since + 1 },
      { clientId: 'old', at: 1_000_000 - since },
      { clientId: 'gone', at: 999_999 },
      { clientId: 'till', at: 1 },
    ])
    presence.contact('till')
    presence.contact('gone')
    presence.lost('gone')
    clock.monotonic = () => 1_005_001
    presence.polled('till', 1000)
    const isOnline = (await jobs.listClients({})).filter(presence.isOnline).map(({ id }) => id)
    expect(isOnline).toEqual(online)
    const rows = await jobs.listClients({ seen: presence.rowsOfOnline() })
    expect(rows.filter(presence.isOnline).map(({ id }) => id)).toEqual(online)
    const { known, seen } = await jobs.clientsSeen(presence.seenSince())
    expect([known, presence.countOnline(seen)]).toEqual([4, online.length])
  })

  test('who is online is looked for in rows that tell so, and by name until they do', async () => {
    let now = 1_000_000
    const clock = { now: () => now, monotonic: () => now }
    const presence = createPresence({ jobs, clock, waitMs: 1000, elsewhere: false })
    const online = async (): Promise<string[]> => {
      const rows = await jobs.listClients({ seen: presence.rowsOfOnline() })
      return rows.filter(presence.isOnline).map(({ id }) => id)
    }
    await jobs.recordContacts(['held', 'old', 'till'].map((clientId) => ({ clientId, at: 1 })))
    presence.contact('till')
    const close = presence.pollOpened('held', 1000)
    expect(await online()).toEqual(['held', 'till'])
    await presence.flush()
    expect(presence.rowsOfOnline().orIds).toEqual([])
    expect(await online()).toEqual(['held', 'till'])
    now += 5000
    expect(presence.rowsOfOnline().orIds).toEqual(['held'])
    expect(await online()).toEqual(['held'])
    close(false)
    expect(await online()).toEqual(['held'])
  })

  test('however many were seen, all of them are written down', async () => {
    const presence = createPresence({
      jobs,
      clock: { now: () => 5, monotonic: () => performance.now() },
      waitMs: 1000,
      elsewhere: false,
    })
    const ids = Array.from({ length: 1234 }, (_, number) => `till-${number}`)
    for (const id of ids) presence.contact(id)
    await presence.flush()
    expect((await jobs.listClients({})).map(({ id, lastSeen }) => [id, lastSeen])).toEqual(
      ids.toSorted().map((id) => [id, 5]),
    )
  })
})
