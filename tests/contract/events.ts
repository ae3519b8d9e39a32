import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { EventStore } from '../../server/event-ports.ts'
import type { DownloadRecord, JobStore } from '../../server/ports.ts'
import { always, chunk, draft, sessionRequest } from './drafts.ts'

export interface EventPlace {
  open: () => Promise<{ jobs: JobStore; events: EventStore }>
  remove: () => Promise<void>
}

const SHA256 = 'ab'.repeat(32)

/** What every log of events must do. */
export function eventStoreContract(kind: string, place: () => Promise<EventPlace>): void {
  describe(`events: ${kind}`, () => {
    let jobs: JobStore
    let events: EventStore
    let at: EventPlace

    beforeEach(async () => {
      at = await place()
      ;({ jobs, events } = await at.open())
      await jobs.recordContacts([{ clientId: 'e1', at: 1 }])
    })
    afterEach(async () => {
      await jobs.close()
      await at.remove()
    })

    const make = async (): Promise<string> => (await jobs.createDownloads([draft('e1')])).downloads[0]!.id
    const change = async (id: string, set: Partial<DownloadRecord>): Promise<void> => {
      const from = ['queued', 'transferring', 'verifying', 'completed', 'failed', 'expired'] as const
      expect(await jobs.transition({ id, from, set })).toBeDefined()
    }
    const begin = (id: string, attempt = 1): Promise<void> =>
      change(id, { status: 'transferring', attempt, source: 'v', size: 10, bytesReceived: 0, reason: null })

    test('a download has an event for each step, with what it was then', async () => {
      const since = await events.newest()
      const before = Date.now()
      const id = await make()
      await begin(id)
      await jobs.insertChunk(id, 1, chunk(0, 4), always)
      await change(id, { status: 'queued', reason: 'io-error', source: null, bytesReceived: 0 })
      await begin(id, 2)
      await jobs.insertChunk(id, 2, chunk(0, 10), always)
      await change(id, { status: 'failed', reason: 'locked' })
      await change(id, { status: 'queued', reason: null })
      await change(id, { status: 'transferring' })
      await change(id, { status: 'verifying', sha256: SHA256 })
      await change(id, { name: 'claimed' })
      await change(id, { status: 'completed', verified: true })
      await change(id, { removedAt: 5 })
      await change(id, { removedAt: 5, name: null })
      const found = (await events.after(since, 100))!
      const told = found.map(({ type, status, attempt, bytesReceived }) => [type, status, attempt, bytesReceived])
      expect(told).toEqual([
        ['download.queued', 'queued', 0, 0],
        ['download.begun', 'transferring', 1, 0],
        ['download.requeued', 'queued', 1, 0],
        ['download.begun', 'transferring', 2, 0],
        ['download.failed', 'failed', 2, 10],
        ['download.retried', 'queued', 2, 10],
        ['download.begun', 'transferring', 2, 10],
        ['download.verifying', 'verifying', 2, 10],
        ['download.completed', 'completed', 2, 10],
        ['download.removed', 'completed', 2, 10],
      ])
      expect(found[2]).toMatchObject({ reason: 'io-error', bytesResent: 4, size: 10 })
      expect(found[4]).toMatchObject({ reason: 'locked' })
      expect(found.map(({ sha256 }) => sha256)).toEqual([...Array<null>(8).fill(null), SHA256, SHA256])
      for (const event of found) {
        expect(event).toMatchObject({ clientId: 'e1', downloadId: id, version: null, replaced: null })
        expect(event.at).toBeGreaterThanOrEqual(before)
        expect(event.at).toBeLessThanOrEqual(Date.now())
      }
    })

    test.each([
      ['cancelled', 'download.cancelled'],
      ['expired', 'download.expired'],
    ] as const)('one that is %s says so', async (status, type) => {
      const id = await make()
      const since = await events.newest()
      await change(id, { status })
      expect(await events.after(since, 10)).toMatchObject([{ type, downloadId: id, status }])
    })

    test('what is no step has no event: bytes, contacts, and what was refused', async () => {
      const id = await make()
      await begin(id)
      const since = await events.newest()
      await jobs.insertChunk(id, 1, chunk(0, 4), always)
      await jobs.addResent(id, 7)
      await jobs.recordContacts([{ clientId: 'e1', at: 2 }])
      await change(id, { status: 'transferring' })
      await jobs.transition({ id, from: ['queued'], set: { status: 'failed' } })
      await change(id, { status: 'verifying', name: 'one' }).then(() => change(id, { status: 'completed' }))
      const other = await make()
      await expect(change(other, { status: 'completed', name: 'one' })).rejects.toMatchObject({ code: 'name-taken' })
      const found = (await events.after(since, 100))!
      expect(found.map(({ type }) => type)).toEqual(['download.verifying', 'download.completed', 'download.queued'])
    })

    test('a session has an event with the version of its agent; the same one again has none', async () => {
      const since = await events.newest()
      const begun = async (instance: string): Promise<unknown> =>
        jobs.beginSession(sessionRequest('e2', instance), 1000, () => undefined)
      for (const instance of ['first', 'first', 'second']) await begun(instance)
      expect(await events.after(since, 10)).toMatchObject([
        { type: 'client.connected', clientId: 'e2', downloadId: null, version: '1', replaced: false, status: null },
        { type: 'client.connected', clientId: 'e2', version: '1', replaced: true },
      ])
    })

    test('a session is begun whatever its agent calls itself', async () => {
      const request = sessionRequest('e2', 'odd')
      const agent = { ...request.agent, hostname: 'till \ud800', version: '"1\\' }
      const since = await events.newest()
      await jobs.beginSession({ ...request, agent }, 1000, () => undefined)
      expect(await events.after(since, 10)).toMatchObject([{ type: 'client.connected', clientId: 'e2' }])
    })

    test('a batch has an event for each of its downloads, in their order', async () => {
      const since = await events.newest()
      const { downloads } = await jobs.createDownloads([draft('e1'), draft('e1', { path: 'a/b' }), draft('e1')])
      const found = (await events.after(since, 10))!
      expect(found.map(({ downloadId }) => downloadId)).toEqual(downloads.map(({ id }) => id))
      expect(found.map(({ path }) => path)).toEqual([null, 'a/b', null])
    })

    test('whoever reads on from each position has every event once, in one order', async () => {
      const ids: string[] = []
      let position = await events.newest()
      for (let count = 0; count < 7; count += 1) ids.push(await make())
      const read: (string | null)[] = []
      for (let page = await events.after(position, 3); page!.length > 0; page = await events.after(position, 3)) {
        read.push(...page!.map(({ downloadId }) => downloadId))
        position = page!.at(-1)!.position
      }
      expect(read).toEqual(ids)
      expect(position).toBe(await events.newest())
    })

    test('a position outlives the server', async () => {
      const since = await events.newest()
      const id = await make()
      await jobs.close()
      ;({ jobs, events } = await at.open())
      expect(await events.after(since, 10)).toMatchObject([{ downloadId: id }])
    })

    test.each(['', 'x', '1', '7.1-2', '99999999999999999999.1', '99999999999999999999-1'])(
      'nobody knows what came after the position "%s"',
      async (position) => {
        expect(await events.after(position, 10)).toBeUndefined()
      },
    )

    test('the story of one download comes page by page', async () => {
      const [id] = [await make(), await make()]
      await begin(id)
      await change(id, { status: 'cancelled' })
      const first = await events.ofDownload(id, { after: 0, limit: 2 })
      const rest = await events.ofDownload(id, { after: first.at(-1)!.seq, limit: 2 })
      const types = [...first, ...rest].map(({ type, downloadId }) => [type, downloadId])
      expect(types).toEqual([
        ['download.queued', id],
        ['download.begun', id],
        ['download.cancelled', id],
      ])
      expect(await events.after(first[0]!.position, 10)).toHaveLength(3)
    })

    test('what is forgotten is gone, a few at a time, and who stands before it is told', async () => {
      const start = await events.newest()
      const ids = [await make(), await make(), await make()]
      const all = (await events.after(start, 10))!
      const future = Date.now() + 1e6
      expect(await events.forget(0, 10)).toBe(0)
      expect(await events.after(start, 10)).toHaveLength(3)
      expect(await events.forget(future, 2)).toBe(2)
      expect(await events.after(start, 10)).toBeUndefined()
      expect(await events.after(all[0]!.position, 10)).toBeUndefined()
      expect(await events.after(all[1]!.position, 10)).toMatchObject([{ downloadId: ids[2] }])
      expect(await events.ofDownload(ids[0]!, { after: 0, limit: 10 })).toEqual([])
      expect(await events.forget(future, 2)).toBe(1)
      expect(await events.after(await events.newest(), 10)).toEqual([])
      expect(await events.newest()).toBe(all[2]!.position)
      const next = await make()
      expect(await events.after(all[2]!.position, 10)).toMatchObject([{ downloadId: next }])
    })
  })
}
