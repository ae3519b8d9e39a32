import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { ClientFilter, DownloadDraft, DownloadRecord, JobStore } from '../../server/ports.ts'
import { always, chunk, draft, sessionRequest } from './drafts.ts'

/** What every job store must do. `open` is called again on the same place to see what lasts. */
export function jobStoreContract(
  kind: string,
  place: () => Promise<{ open: () => Promise<JobStore>; remove: () => Promise<void> }>,
): void {
  describe(`job store: ${kind}`, () => {
    let jobs: JobStore
    let at: Awaited<ReturnType<typeof place>>

    beforeEach(async () => {
      at = await place()
      jobs = await at.open()
      await jobs.recordContacts([{ clientId: 'r1', at: 1 }])
    })
    afterEach(async () => {
      await jobs.close()
      await at.remove()
    })

    const create = async (extra: Partial<DownloadDraft> = {}): Promise<DownloadRecord> => {
      const { downloads } = await jobs.createDownloads([draft('r1', extra)])
      return downloads[0]!
    }
    const begin = (id: string, attempt = 1, size = 100): Promise<DownloadRecord | undefined> =>
      jobs.transition({ id, from: ['queued'], set: { status: 'transferring', attempt, source: 'v1', size } })
    const revision = async (): Promise<number> => (await jobs.findClient('r1'))?.rev ?? 0

    test('what is written outlasts the store', async () => {
      const { id } = await create({ path: 'a "b" ü', note: 'n' })
      await begin(id)
      await jobs.insertChunk(id, 1, chunk(0, 10), always)
      await jobs.close()
      jobs = await at.open()
      expect(await jobs.findDownload(id)).toMatchObject({
        path: 'a "b" ü',
        note: 'n',
        status: 'transferring',
        bytesReceived: 10,
        source: 'v1',
      })
      expect(await jobs.received(id, 1)).toEqual([{ start: 0, end: 10 }])
    })

    test('the newest session wins; the same instance gets its session again; a past one never returns', async () => {
      const none = (): void => undefined
      const first = await jobs.beginSession(sessionRequest('r1', 'one'), 10, none)
      const again = await jobs.beginSession(sessionRequest('r1', 'one'), 11, none)
      const second = await jobs.beginSession(sessionRequest('r1', 'two'), 12, none)
      expect(again.session).toBe(first.session)
      expect(first.session).toMatch(/^1\./)
      expect(second.session).toMatch(/^2\./)
      expect(second.rev).toBeGreaterThan(first.rev)
      await expect(jobs.beginSession(sessionRequest('r1', 'one'), 13, none)).rejects.toMatchObject({
        code: 'session-superseded',
      })
    })

    test('a session that may not replace another changes nothing', async () => {
      const before = await jobs.beginSession(sessionRequest('r1', 'one'), 10, () => undefined)
      const refuse = (): void => {
        throw new Error('held')
      }
      await expect(jobs.beginSession(sessionRequest('r1', 'two'), 11, refuse)).rejects.toThrow('held')
      expect(await jobs.findClient('r1')).toEqual(before)
    })

    test('labels filter clients and downloads', async () => {
      await jobs.beginSession(sessionRequest('west1', 'i', { region: 'west', kind: 'bar' }), 1, () => undefined)
      await jobs.beginSession(sessionRequest('west2', 'i', { region: 'west' }), 1, () => undefined)
      await jobs.createDownloads([draft('west1'), draft('west2'), draft('r1')])
      const ids = async (labels: Record<string, string>): Promise<string[]> =>
        (await jobs.listClients({ labels })).map((client) => client.id)
      expect(await ids({ region: 'west' })).toEqual(['west1', 'west2'])
      expect(await ids({ region: 'west', kind: 'bar' })).toEqual(['west1'])
      expect(await ids({})).toEqual(['r1', 'west1', 'west2'])
      expect(
        (await jobs.listDownloads({ labels: { region: 'west' }, limit: 10 })).map((download) => download.clientId),
      ).toEqual(['west2', 'west1'])
    })

    test('clients are listed that were seen of late, or are named', async () => {
      await jobs.recordContacts(['a', 'b', 'c', 'd'].map((clientId, number) => ({ clientId, at: number })))
      const list = async (after: number, orIds: string[], more: ClientFilter = {}): Promise<string[]> =>
        (await jobs.listClients({ ...more, seen: { after, orIds } })).map(({ id }) => id)
      expect(await list(1, [])).toEqual(['c', 'd'])
      expect(await list(1, ['a', 'd', 'nobody'])).toEqual(['a', 'c', 'd'])
      expect(await list(1, ['a'], { after: 'a', limit: 1 })).toEqual(['c'])
      expect(await list(9, ['a', 'b'], { search: 'B' })).toEqual(['b'])
      expect(await list(9, [])).toEqual([])
    })

    test('clients are listed in pages, and found by a part of their id, which is no pattern', async () => {
      const ids = ['Bar_2', 'bar1', 'bar_10', 'west.bar', 'x-y']
      await jobs.recordContacts(ids.map((clientId) => ({ clientId, at: 1 })))
      await jobs.beginSession(sessionRequest('bar_10', 'i', { region: 'west' }), 1, () => undefined)
      await jobs.beginSession(sessionRequest('r1', 'i', { region: 'west' }), 1, () => undefined)
      const list = async (filter: ClientFilter): Promise<string[]> =>
        (await jobs.listClients(filter)).map(({ id }) => id)
      expect(await list({})).toEqual(['Bar_2', 'bar1', 'bar_10', 'r1', 'west.bar', 'x-y'])
      expect(await list({ limit: 2 })).toEqual(['Bar_2', 'bar1'])
      expect(await list({ limit: 2, after: 'bar1' })).toEqual(['bar_10', 'r1'])
      expect(await list({ after: 'west.bar' })).toEqual(['x-y'])
      expect(await list({ after: 'c' })).toEqual(['r1', 'west.bar', 'x-y'])
      expect(await list({ search: 'BAR' })).toEqual(['Bar_2', 'bar1', 'bar_10', 'west.bar'])
      expect(await list({ search: 'bar_' })).toEqual(['Bar_2', 'bar_10'])
      expect(await list({ search: 'bar', after: 'Bar_2', limit: 2 })).toEqual(['bar1', 'bar_10'])
      for (const search of ['%', '*', "'", '\\', 'ü', 'barr'])
        expect([search, await list({ search })]).toEqual([search, []])
      const labels = { region: 'west' }
      expect(await list({ labels })).toEqual(['bar_10', 'r1'])
      expect(await list({ labels, search: 'R' })).toEqual(['bar_10', 'r1'])
      expect(await list({ labels, search: 'r', after: 'bar_10', limit: 1 })).toEqual(['r1'])
    })

    test('clients are counted, and those seen after a time are told', async () => {
      await jobs.recordContacts([
        { clientId: 'then', at: 10 },
        { clientId: 'now', at: 11 },
      ])
      expect(await jobs.clientsSeen(10)).toEqual({ known: 3, seen: ['now'] })
      const { known, seen } = await jobs.clientsSeen(0)
      expect([known, seen.toSorted()]).toEqual([3, ['now', 'r1', 'then']])
      expect(await jobs.clientsSeen(11)).toEqual({ known: 3, seen: [] })
    })

    test('creating raises the revision and lists the open jobs by priority, then age', async () => {
      const before = await revision()
      const low = await create({ priority: -1 })
      const first = await create()
      const second = await create()
      const high = await create({ priority: 5 })
      expect(await revision()).toBe(before + 4)
      const { client, jobs: open } = await jobs.openJobs('r1', 3)
      expect(client?.rev).toBe(before + 4)
      expect(open.map((job) => job.id)).toEqual([high.id, first.id, second.id])
      expect(low.seq).toBeLessThan(first.seq)
    })

    test('none of the drafts is queued when one cannot be', async () => {
      await expect(jobs.createDownloads([draft('r1'), draft('nobody')])).rejects.toThrow()
      expect(await jobs.listDownloads({ limit: 10 })).toEqual([])
    })

    test('an idempotency key answers what it made before, and refuses another request', async () => {
      const made = await jobs.createDownloads([draft('r1')], { key: 'k', request: 'a' })
      const again = await jobs.createDownloads([draft('r1')], { key: 'k', request: 'a' })
      expect([made.replayed, again.replayed]).toEqual([false, true])
      expect(again.downloads).toEqual(made.downloads)
      await expect(jobs.createDownloads([draft('r1')], { key: 'k', request: 'b' })).rejects.toMatchObject({
        code: 'idempotency-mismatch',
      })
      expect(await jobs.listDownloads({ limit: 10 })).toHaveLength(1)
      await jobs.forgetIdempotencyKeys(1001)
      await jobs.createDownloads([draft('r1')], { key: 'k', request: 'b' })
      expect(await jobs.listDownloads({ limit: 10 })).toHaveLength(2)
    })

    test('a transition happens only when every condition holds', async () => {
      const { id } = await create()
      await jobs.beginSession(sessionRequest('r1', 'one'), 1, () => undefined)
      const session = (await jobs.findClient('r1'))?.session ?? ''
      const set = { status: 'transferring', attempt: 1 } as const
      expect(await jobs.transition({ id, from: ['failed'], set })).toBeUndefined()
      expect(await jobs.transition({ id, from: ['queued'], attempt: 1, set })).toBeUndefined()
      expect(await jobs.transition({ id, from: ['queued'], session: '0.x', set })).toBeUndefined()
      expect(await jobs.findDownload(id)).toMatchObject({ status: 'queued', attempt: 0 })
      expect(await jobs.transition({ id, from: ['queued'], attempt: 0, session, set })).toMatchObject(set)
    })

    test('the revision rises with what the agent must hear of, not with its own begin', async () => {
      const { id } = await create()
      const before = await revision()
      await begin(id)
      expect(await revision()).toBe(before)
      await jobs.transition({ id, from: ['transferring'], set: { status: 'cancelled' } })
      expect(await revision()).toBe(before + 1)
      expect((await jobs.openJobs('r1', 10)).jobs).toEqual([])
    })

    test('a name is given once, whatever its case or form, and the loser changes nothing', async () => {
      const [one, two] = [await create(), await create()]
      await begin(one.id)
      await begin(two.id)
      const verifying = (id: string, name: string) =>
        jobs.transition({ id, from: ['transferring'], set: { status: 'verifying', name } })
      expect(await verifying(one.id, 'r1_Caf\u00e9.txt')).toMatchObject({ name: 'r1_Caf\u00e9.txt' })
      await expect(verifying(two.id, 'R1_CAFE\u0301.TXT')).rejects.toMatchObject({ code: 'name-taken' })
      expect(await jobs.findDownload(two.id)).toMatchObject({ status: 'transferring', name: null })
      await jobs.transition({ id: one.id, from: ['verifying'], set: { status: 'completed', removedAt: 1 } })
      await expect(verifying(two.id, 'r1_caf\u00e9.txt')).rejects.toMatchObject({ code: 'name-taken' })
      // A name that could not be used is not lost to others.
      expect(await jobs.transition({ id: two.id, from: ['queued'], set: { name: 'free' } })).toBeUndefined()
      const third = await create()
      await begin(third.id)
      expect(await verifying(third.id, 'free')).toMatchObject({ name: 'free' })
    })

    test('lists are newest first, filtered, and paged by seq', async () => {
      const made = [
        await create(),
        await create({ note: 'x' }),
        await create({ batchId: 'b' }),
        await create({ path: 'p' }),
      ]
      const ids = async (filter: Parameters<JobStore['listDownloads']>[0]): Promise<string[]> =>
        (await jobs.listDownloads(filter)).map((download) => download.id)
      const newest = made.toReversed().map((download) => download.id)
      expect(await ids({ limit: 10 })).toEqual(newest)
      expect(await ids({ limit: 2 })).toEqual(newest.slice(0, 2))
      expect(await ids({ limit: 10, before: made[2]!.seq })).toEqual(newest.slice(2))
      expect(await ids({ limit: 10, note: 'x' })).toEqual([made[1]!.id])
      expect(await ids({ limit: 10, batchId: 'b' })).toEqual([made[2]!.id])
      expect(await ids({ limit: 10, path: 'p' })).toEqual([made[3]!.id])
      expect(await ids({ limit: 10, path: null })).toHaveLength(3)
      expect(await ids({ limit: 10, clientId: 'other' })).toEqual([])
      expect(await ids({ limit: 10, status: ['failed', 'queued'] })).toHaveLength(4)
      expect(await ids({ limit: 10, status: ['failed'] })).toEqual([])
    })

    test('only open downloads expire, and what is outstanding is what they have yet to receive', async () => {
      const [late, running, done] = [
        await create({ expiresAt: 10, createdAt: 3 }),
        await create({ expiresAt: 20, createdAt: 4 }),
        await create({ expiresAt: 5 }),
      ]
      await begin(running.id)
      await jobs.insertChunk(running.id, 1, chunk(0, 40), always)
      await jobs.transition({ id: done.id, from: ['queued'], set: { status: 'cancelled' } })
      expect(await jobs.expired(15, 10)).toEqual([late.id])
      expect(await jobs.expired(20, 10)).toEqual([late.id, running.id])
      expect(await jobs.outstandingBytes()).toBe(60)
      expect(await jobs.outstandingBytes(running.id)).toBe(0)
      expect(await jobs.countOpen()).toEqual([
        { status: 'queued', count: 1, oldestAt: late.createdAt },
        { status: 'transferring', count: 1, oldestAt: running.createdAt },
        { status: 'verifying', count: 0, oldestAt: null },
      ])
    })

    test('contacts are written in one batch, and the newest time stays', async () => {
      await jobs.recordContacts([
        { clientId: 'r1', at: 50 },
        { clientId: 'new', at: 60 },
      ])
      await jobs.recordContacts([{ clientId: 'r1', at: 40 }])
      expect((await jobs.findClient('r1'))?.lastSeen).toBe(50)
      expect(await jobs.findClient('new')).toMatchObject({ id: 'new', session: null, lastSeen: 60 })
      await jobs.recordConflict({ clientId: 'r1', at: 70, hostname: 'other' })
      expect((await jobs.findClient('r1'))?.conflicts).toEqual({ count: 1, lastAt: 70, lastHostname: 'other' })
    })
  })
}
