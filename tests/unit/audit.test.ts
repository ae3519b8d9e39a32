import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { AuditEntry } from '../../server/access-ports.ts'
import { createAudit, type Audit } from '../../server/domain/access/audit.ts'
import { openStores, type Stores } from '../../server/stores/open.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { unexpected } from '../helpers/reports.ts'

// A real database that another process holds, as a backup does.
describe('an audit that cannot be written', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let stores: Stores
  let other: DatabaseSync
  let audit: Audit
  const logged: string[] = []

  const entry = (action: string): Omit<AuditEntry, 'at'> => ({
    actor: 'token head office',
    address: '192.0.2.1',
    action,
    clientId: null,
    path: null,
    downloadId: null,
    status: 200,
    code: null,
  })
  const written = async (): Promise<string[]> =>
    (await audit.list({ limit: 2000 })).map(({ action }) => action).toReversed()

  beforeEach(async () => {
    logged.length = 0
    place = await temporaryFolder()
    const path = join(place.folder, 'db')
    const storage = { kind: 'file', folder: join(place.folder, 'files') } as const
    stores = await openStores({ database: { kind: 'sqlite', path }, storage }, unexpected)
    const clock = { now: () => Date.now(), monotonic: () => performance.now() }
    audit = createAudit({ store: stores.access, clock, unwritten: ({ action }) => logged.push(action) })
    other = new DatabaseSync(path)
  })
  afterEach(async () => {
    other.close()
    await stores.bytes.close()
    await stores.jobs.close()
    await place.remove()
  })

  test('waits, is logged, and is written in its order with the next one, or by itself', async () => {
    await audit.note([entry('first')])
    other.exec('BEGIN IMMEDIATE')
    await audit.note([entry('second')])
    await audit.note([entry('third')])
    await audit.catchUp()
    expect([await written(), logged]).toEqual([['first'], ['second', 'third']])
    other.exec('COMMIT')
    await audit.note([entry('fourth')])
    expect(await written()).toEqual(['first', 'second', 'third', 'fourth'])

    other.exec('BEGIN IMMEDIATE')
    await audit.note([entry('fifth')])
    other.exec('COMMIT')
    await audit.catchUp()
    await audit.catchUp()
    expect((await written()).slice(4)).toEqual(['fifth'])
  })

  test('refuses once a thousand wait, and loses none of them', async () => {
    other.exec('BEGIN IMMEDIATE')
    await audit.note(Array.from({ length: 1000 }, (_, index) => entry(String(index))))
    await expect(audit.note([entry('too many')])).rejects.toMatchObject({ code: 'store-busy' })
    expect(logged).toHaveLength(1000)
    other.exec('COMMIT')
    await audit.catchUp()
    expect(await written()).toEqual(logged)
  })
})
