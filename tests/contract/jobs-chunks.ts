import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { CommitState, DownloadRecord, JobStore } from '../../server/ports.ts'
import { always, chunk, draft } from './drafts.ts'

/** What every job store must know of chunks: what is received, in whatever order it came. */
export function jobStoreChunksContract(
  kind: string,
  place: () => Promise<{ open: () => Promise<JobStore>; remove: () => Promise<void> }>,
): void {
  describe(`chunks, in the job store: ${kind}`, () => {
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

    const create = async (): Promise<DownloadRecord> => (await jobs.createDownloads([draft('r1')])).downloads[0]!
    const begin = (id: string): Promise<DownloadRecord | undefined> =>
      jobs.transition({ id, from: ['queued'], set: { status: 'transferring', attempt: 1, source: 'v1', size: 100 } })

    test('what is received is the union of the rows, in any order', async () => {
      const { id } = await create()
      await begin(id)
      for (const [start, end] of [
        [50, 60],
        [0, 10],
        [90, 100],
        [10, 20],
      ] as const)
        await jobs.insertChunk(id, 1, chunk(start, end), always)
      expect(await jobs.received(id, 1)).toEqual([
        { start: 0, end: 20 },
        { start: 50, end: 60 },
        { start: 90, end: 100 },
      ])
      expect((await jobs.findDownload(id))?.bytesReceived).toBe(40)
      expect(await jobs.received(id, 2)).toEqual([])
    })

    test.each([
      [{ start: 0, end: 10 }, [0]],
      [{ start: 5, end: 6 }, [0]],
      [{ start: 9, end: 25 }, [0, 20]],
      [{ start: 10, end: 20 }, []],
      [{ start: 0, end: 100 }, [0, 20, 40]],
      [{ start: 29, end: 40 }, [20]],
    ])('the rows that share a byte with %j', async (range, starts) => {
      const { id } = await create()
      await begin(id)
      for (const start of [0, 20, 40]) await jobs.insertChunk(id, 1, chunk(start, start + 10), always)
      expect((await jobs.overlappingChunks(id, 1, range)).map((row) => row.start)).toEqual(starts)
    })

    test('rows from an offset on begin with the one that holds it', async () => {
      const { id } = await create()
      await begin(id)
      for (const start of [0, 20, 40]) await jobs.insertChunk(id, 1, chunk(start, start + 10), always)
      const starts = async (from: number, limit = 10): Promise<number[]> =>
        (await jobs.chunksFrom(id, 1, from, limit)).map((row) => row.start)
      expect(await starts(0)).toEqual([0, 20, 40])
      expect(await starts(9)).toEqual([0, 20, 40])
      expect(await starts(10)).toEqual([20, 40])
      expect(await starts(25, 1)).toEqual([20])
      expect(await starts(50)).toEqual([])
    })

    test('the check of a chunk sees the rows under lock, and its refusal leaves no row', async () => {
      const { id } = await create()
      await begin(id)
      await jobs.insertChunk(id, 1, chunk(0, 10), always)
      const refusal = jobs.insertChunk(id, 1, chunk(5, 15), (state) => {
        expect(state.download).toMatchObject({ id, status: 'transferring', bytesReceived: 10 })
        expect(state.overlapping.map((row) => row.start)).toEqual([0])
        throw new Error('refused')
      })
      await expect(refusal).rejects.toThrow('refused')
      expect(await jobs.insertChunk(id, 1, chunk(0, 10), () => 'replay')).toBeUndefined()
      expect(await jobs.received(id, 1)).toEqual([{ start: 0, end: 10 }])
      expect((await jobs.findDownload(id))?.bytesReceived).toBe(10)
    })

    test('an attempt forgotten leaves those after it', async () => {
      const { id } = await create()
      await begin(id)
      await jobs.insertChunk(id, 1, chunk(0, 10), always)
      await jobs.insertChunk(id, 2, chunk(0, 20), always)
      await jobs.forgetChunks(id, 1)
      expect(await jobs.received(id, 1)).toEqual([])
      expect(await jobs.received(id, 2)).toEqual([{ start: 0, end: 20 }])
    })

    test('chunks that come together: each sees those before it, and one refused takes none of the others along', async () => {
      const [one, other] = [await create(), await create()]
      await begin(one.id)
      await begin(other.id)
      const unlessThere = ({ overlapping }: CommitState): 'insert' => {
        if (overlapping.length > 0) throw new Error('there already')
        return 'insert'
      }
      const outcomes = await Promise.allSettled([
        jobs.insertChunk(one.id, 1, chunk(0, 10), unlessThere),
        jobs.insertChunk(other.id, 1, chunk(0, 10), unlessThere),
        jobs.insertChunk(one.id, 1, chunk(5, 15), unlessThere),
        jobs.insertChunk(one.id, 1, chunk(10, 30), unlessThere),
      ])
      const received = outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value?.bytesReceived)
      expect(received).toEqual([10, 10, false, 30])
      expect(await jobs.received(one.id, 1)).toEqual([{ start: 0, end: 30 }])
      expect((await jobs.findDownload(one.id))?.bytesReceived).toBe(30)
    })
  })
}
