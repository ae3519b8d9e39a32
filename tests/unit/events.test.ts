import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createRecentEvents } from '../../server/domain/recent-events.ts'
import type { Told } from '../../server/domain/events.ts'
import type { EventRecord } from '../../server/event-ports.ts'
import { draft } from '../contract/drafts.ts'
import { openDomain, type OpenDomain } from '../helpers/domain.ts'
import { temporaryFolder } from '../helpers/folder.ts'

let opened: OpenDomain
let path: string
let close: () => Promise<void>
let gone: AbortController

beforeEach(async () => {
  const { folder, remove } = await temporaryFolder()
  path = join(folder, 'backhaul.db')
  opened = await openDomain(folder)
  await opened.stores.jobs.recordContacts([{ clientId: 'e1', at: 1 }])
  gone = new AbortController()
  close = async () => {
    gone.abort()
    await opened.close()
    await remove()
  }
})
afterEach(() => close())

const listen = async (since?: string): Promise<AsyncIterator<Told>> => {
  const told = await opened.domain.events.listen({ since, wants: () => true, signal: gone.signal })
  const iterator = told[Symbol.asyncIterator]()
  await iterator.next()
  return iterator
}
/** So many more downloads, in as many transactions. @returns their ids */
const make = async (count: number): Promise<string[]> => {
  const ids: string[] = []
  for (let made = 0; made < count; made += 500) {
    const drafts = Array.from({ length: Math.min(500, count - made) }, (_, n) =>
      draft('e1', { askedBy: `a${made + n}` }),
    )
    const { downloads } = await opened.stores.jobs.createDownloads(drafts)
    ids.push(...downloads.map(({ id }) => id))
  }
  return ids
}
const take = async (iterator: AsyncIterator<Told>, count: number): Promise<(string | null)[]> => {
  const heard: (string | null)[] = []
  while (heard.length < count) {
    const value = (await iterator.next()).value as Told
    if ('events' in value) heard.push(...value.events.map(({ downloadId }) => downloadId))
  }
  return heard
}

test('one that does not read keeps nobody up, and misses nothing of what it has let go by', async () => {
  const slow = await listen()
  const quick = await listen()
  const ids = await make(5000)
  expect(await take(quick, 5000)).toEqual(ids)
  expect(await take(slow, 5000)).toEqual(ids)
  const [last] = await make(1)
  opened.domain.events.changed()
  expect([await take(slow, 1), await take(quick, 1)]).toEqual([[last], [last]])
})

/** Counts how often the log is read from now on: what the domain was given is the same object. */
const countReads = (): (() => number) => {
  const { events } = opened.stores
  const { after } = events
  let reads = 0
  events.after = (...args) => {
    reads += 1
    return after(...args)
  }
  return () => reads
}

test('what happens within a moment is read together', async () => {
  const listener = await listen()
  const reads = countReads()
  const told = take(listener, 200)
  const ids: string[] = []
  for (let made = 0; made < 200; made += 1) {
    ids.push(...(await make(1)))
    opened.domain.events.changed()
  }
  expect(await told).toEqual(ids)
  expect(reads()).toBeLessThan(100)
})

test('the log is read once for all who listen, and by nobody while nobody does', async () => {
  const { domain } = opened
  const reads = countReads()
  const everybody = await Promise.all(Array.from({ length: 50 }, () => listen()))
  const before = reads()
  const next = everybody.map((each) => take(each, 1))
  const [id] = await make(1)
  domain.events.changed()
  for (const heard of next) expect(await heard).toEqual([id])
  expect(reads()).toBeGreaterThan(before)
  expect(reads() - before).toBeLessThan(10)
  gone.abort()
  for (const each of everybody) await each.return?.()
  const atEnd = reads()
  domain.events.changed()
  await make(1)
  expect(reads()).toBe(atEnd)
})

test('so many may listen, and no more; each that goes makes room', async () => {
  const signals = Array.from({ length: 500 }, () => new AbortController())
  const { events } = opened.domain
  for (const { signal } of signals) await events.listen({ since: undefined, wants: () => true, signal })
  await expect(listen()).rejects.toMatchObject({ code: 'too-many-listeners' })
  signals[7]?.abort()
  await listen()
  await expect(listen()).rejects.toMatchObject({ code: 'too-many-listeners' })
  for (const each of signals) each.abort()
})

test('a stop ends who listens, and refuses who comes', async () => {
  const one = await listen()
  const next = one.next()
  opened.domain.waiting.stop()
  expect(await next).toMatchObject({ done: true })
  await expect(listen()).rejects.toMatchObject({ code: 'shutting-down' })
})

test('events of a month are kept, however many there are, and older ones are not', async () => {
  await make(2500)
  const db = new DatabaseSync(path)
  const day = 24 * 60 * 60_000
  db.exec(
    `UPDATE events SET at = at - ${31 * day} WHERE seq <= 2100; UPDATE events SET at = at - ${29 * day} WHERE seq > 2100`,
  )
  await opened.domain.sweeper.forgetEvents()
  const rows = db.prepare('SELECT min(seq) AS first, count(*) AS count FROM events').get()
  db.close()
  expect({ ...rows }).toEqual({ first: 2101, count: 400 })
})

test('the newest events are kept, without a gap, and no others', () => {
  const event = (n: number) => ({ position: `1.${n}` }) as EventRecord
  const positions = (events: EventRecord[] | undefined) => events?.map(({ position }) => position)
  const recent = createRecentEvents('1.0', 3)
  expect([recent.newest(), recent.after('1.0', 9), recent.after('1.1', 9)]).toEqual(['1.0', [], undefined])
  recent.add([event(1), event(2)])
  expect(positions(recent.after('1.0', 9))).toEqual(['1.1', '1.2'])
  recent.add([event(3), event(4), event(5)])
  expect([recent.after('1.0', 9), recent.after('1.1', 9)]).toEqual([undefined, undefined])
  expect(positions(recent.after('1.2', 9))).toEqual(['1.3', '1.4', '1.5'])
  expect(positions(recent.after('1.3', 1))).toEqual(['1.4'])
  expect([recent.newest(), recent.after('1.5', 9)]).toEqual(['1.5', []])
})
