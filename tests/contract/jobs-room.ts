import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { DownloadRecord, JobStore } from '../../server/ports.ts'
import { always, chunk, draft } from './drafts.ts'

/** What every job store must know of room: who takes it up, and what can go. */
export function jobStoreRoomContract(
  kind: string,
  place: () => Promise<{ open: () => Promise<JobStore>; remove: () => Promise<void> }>,
): void {
  describe(`room, in the job store: ${kind}`, () => {
    let jobs: JobStore
    let at: Awaited<ReturnType<typeof place>>

    beforeEach(async () => {
      at = await place()
      jobs = await at.open()
      const clients = ['r1', 'r2'].map((clientId) => ({ clientId, at: 1 }))
      await jobs.recordContacts(clients)
    })
    afterEach(async () => {
      await jobs.close()
      await at.remove()
    })

    const make = async (
      set: Partial<DownloadRecord>,
      { clientId = 'r1', received = 0 }: { clientId?: string; received?: number } = {},
    ): Promise<string> => {
      const { downloads } = await jobs.createDownloads([draft(clientId)])
      const { id } = downloads[0]!
      await jobs.transition({
        id,
        from: ['queued'],
        set: { status: 'transferring', attempt: 1, source: 'v1', size: 100 },
      })
      if (received > 0) await jobs.insertChunk(id, 1, chunk(0, received), always)
      await jobs.transition({ id, from: ['transferring'], set })
      return id
    }

    test('a client takes up what is under way and what is finished and there', async () => {
      const own = await make({ status: 'transferring', size: 1 })
      await make({ status: 'verifying', size: 10 })
      await make({ status: 'completed', size: 100 })
      await make({ status: 'completed', size: 1000, removedAt: 5 })
      for (const status of ['failed', 'cancelled', 'expired', 'queued'] as const) await make({ status, size: 10_000 })
      await make({ status: 'completed', size: 100_000 }, { clientId: 'r2' })
      expect(await jobs.usedBytes('r1', '')).toBe(111)
      expect(await jobs.usedBytes('r1', own)).toBe(110)
      expect(await jobs.usedBytes('nobody', '')).toBe(0)
    })

    test('parts kept for a retry are told by the end of their downloads', async () => {
      const late = await make({ status: 'failed', completedAt: 30 }, { received: 40 })
      const early = await make({ status: 'expired', completedAt: 10 })
      await make({ status: 'failed', completedAt: 20, source: null })
      await make({ status: 'cancelled', completedAt: 5 })
      await make({ status: 'queued' })
      expect((await jobs.keptParts(10)).map(({ id }) => id)).toEqual([early, late])
      expect((await jobs.keptParts(1)).map(({ id }) => id)).toEqual([early])
      expect((await jobs.keptParts(10))[1]).toMatchObject({ bytesReceived: 40 })
    })

    test('attempts that come in one request are told while they are under way, and no others', async () => {
      const first = await make({ status: 'transferring', whole: true })
      await make({ status: 'transferring' })
      await make({ status: 'verifying', whole: true })
      const last = await make({ status: 'transferring', whole: true }, { clientId: 'r2' })
      expect((await jobs.wholeUploads(10)).map(({ id }) => id)).toEqual([first, last])
      expect(await jobs.wholeUploads(1)).toMatchObject([{ id: first, whole: true }])
    })

    test('content that is to go: old ones, the oldest first, after those whose removal has begun', async () => {
      const young = await make({ status: 'completed', name: 'a', completedAt: 30 })
      const old = await make({ status: 'completed', name: 'b', completedAt: 20 })
      const oldest = await make({ status: 'completed', name: 'c', completedAt: 10 })
      const begun = await make({ status: 'completed', name: 'd', completedAt: 25, removedAt: 40 })
      await make({ status: 'completed', name: null, completedAt: 1, removedAt: 2 })
      await make({ status: 'failed', completedAt: 1 })
      expect(await jobs.contentToRemove(30, 10)).toEqual([begun, oldest, old])
      expect(await jobs.contentToRemove(30, 2)).toEqual([begun, oldest])
      expect(await jobs.contentToRemove(31, 10)).toContain(young)
      expect(await jobs.contentToRemove(0, 10)).toEqual([begun])
    })

    test('bytes that are given up count as sent in vain, each time', async () => {
      const id = await make({ status: 'transferring' }, { received: 40 })
      await jobs.addResent(id, 5)
      const givenUp = await jobs.transition({ id, from: ['transferring'], set: { status: 'queued', bytesReceived: 0 } })
      expect(givenUp).toMatchObject({ bytesReceived: 0, bytesResent: 45 })
      await jobs.insertChunk(id, 2, chunk(0, 7), always)
      expect(await jobs.transition({ id, from: ['queued'], set: { status: 'cancelled' } })).toMatchObject({
        bytesReceived: 7,
        bytesResent: 45,
      })
      const again = await jobs.transition({ id, from: ['cancelled'], set: { bytesReceived: 0 } })
      expect(again).toMatchObject({ bytesReceived: 0, bytesResent: 52 })
    })
  })
}
