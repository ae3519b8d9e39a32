import { randomBytes, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Batch } from '../../shared/batches.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, Part, PartRows } from '../../server/byte-ports.ts'
import type { Chunk } from '../../server/ports.ts'
import { sha256Of } from '../helpers/folder.ts'

/** Cut where nothing else is: batches of three pieces. */
function* inBatches(bytes: Buffer, length = 100_001): Generator<Batch> {
  for (let at = 0; at < bytes.byteLength; at += 3 * length) {
    const batch = bytes.subarray(at, at + 3 * length)
    yield [batch.subarray(0, length), batch.subarray(length, 2 * length), batch.subarray(2 * length)]
  }
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

export interface ByteStoreTraits {
  /** One process at a time, and what is written to a part that is gone is refused, or goes nowhere. */
  holdsParts: boolean
}

/** What every byte store must do. */
export function byteStoreContract(
  name: string,
  place: () => Promise<{ open: () => Promise<ByteStore>; remove: () => Promise<void> }>,
  { holdsParts }: ByteStoreTraits = { holdsParts: true },
): void {
  const testOfHeldParts = holdsParts ? test : () => undefined
  const testOfObjects = holdsParts ? () => undefined : test

  describe(`byte store: ${name}`, () => {
    let bytes: ByteStore
    let at: Awaited<ReturnType<typeof place>>
    let part: Part
    /** What was committed, as the job store would have it. */
    let chunks: Chunk[]
    const rows: PartRows = {
      received: async () => chunks,
      chunksFrom: async (_id, _attempt, from, limit) =>
        chunks
          .filter(({ end }) => end > from)
          .toSorted((a, b) => a.start - b.start)
          .slice(0, limit),
    }

    beforeEach(async () => {
      chunks = []
      at = await place()
      bytes = await at.open()
      part = { id: randomUUID(), attempt: 1 }
    })
    afterEach(async () => {
      await bytes.close()
      await at.remove()
    })

    const write = async (range: Range, content: Buffer): Promise<string> => {
      const writer = await bytes.openWriter(part, range)
      try {
        for (const batch of inBatches(content)) await writer.write(batch)
        const tag = await writer.commit()
        chunks.push({ ...range, digest: '', tag })
        return tag
      } finally {
        await writer.close()
      }
    }

    test('ranges written in any order are one file, with its digest', async () => {
      const content = randomBytes(3_000_000)
      expect(await bytes.createPart(part, content.byteLength)).toBe(true)
      const hasher = bytes.hasher(part, rows)
      await write({ start: 2_000_000, end: 3_000_000 }, content.subarray(2_000_000))
      await write({ start: 0, end: 1_000_001 }, content.subarray(0, 1_000_001))
      await hasher.extend({ start: 0, end: 1_000_001 })
      await write({ start: 1_000_001, end: 2_000_000 }, content.subarray(1_000_001, 2_000_000))
      expect(await hasher.digest(content.byteLength)).toBe(sha256Of(content))
      hasher.close()
      expect(await bytes.publish({ ...part, size: content.byteLength }, 'r1_file', rows)).toBe(true)
      const stored = await bytes.openContent('r1_file')
      expect(stored.size).toBe(content.byteLength)
      expect((await collect(stored.read({ start: 0, end: stored.size }))).equals(content)).toBe(true)
      expect(
        (await collect(stored.read({ start: 999_999, end: 2_000_001 }))).equals(content.subarray(999_999, 2_000_001)),
      ).toBe(true)
      await stored.close()
    })

    test('writers of one part beside each other: what each commits is there, whoever closes first', async () => {
      const content = randomBytes(900_000)
      await bytes.createPart(part, content.byteLength)
      const ranges = [0, 1, 2].map((third) => ({ start: third * 300_000, end: (third + 1) * 300_000 }))
      const writers = await Promise.all(ranges.map((range) => bytes.openWriter(part, range)))
      await Promise.all(
        writers.map(async (writer, index) => {
          for (const batch of inBatches(content.subarray(index * 300_000, (index + 1) * 300_000)))
            await writer.write(batch)
          chunks.push({ ...ranges[index]!, digest: '', tag: await writer.commit() })
          await writer.close()
        }),
      )
      const hasher = bytes.hasher(part, rows)
      expect(await hasher.digest(content.byteLength)).toBe(sha256Of(content))
      hasher.close()
    })

    testOfHeldParts(
      'a part that was removed is gone for whoever comes, while its last writer still has it',
      async () => {
        await bytes.createPart(part, 10)
        const late = await bytes.openWriter(part, { start: 0, end: 5 })
        await bytes.removePart(part)
        await expect(bytes.openWriter(part, { start: 5, end: 10 })).rejects.toMatchObject({
          code: 'attempt-superseded',
        })
        await late.write([Buffer.from('late!')])
        await late.close()
        expect(await bytes.listParts()).toEqual([])
        expect(await bytes.createPart(part, 10)).toBe(true)
        expect(await bytes.partSize(part)).toBe(10)
        const reader = (await bytes.openReader(part))!
        const chunk = { start: 0, end: 5, digest: '', tag: '' }
        expect((await collect(reader.read(chunk, chunk))).equals(Buffer.alloc(5))).toBe(true)
        await reader.close()
      },
    )

    test('who comes while a part is removed keeps nobody from one that is made anew', async () => {
      const range = { start: 0, end: 5 }
      await bytes.createPart(part, 5)
      await write(range, Buffer.from('first'))
      const removing = bytes.removePart(part)
      const late = await bytes.openWriter(part, range).catch(() => undefined)
      await removing
      await late?.close()
      if (holdsParts) await expect(bytes.openWriter(part, range)).rejects.toMatchObject({ code: 'attempt-superseded' })
      chunks = []
      expect(await bytes.createPart(part, 5)).toBe(true)
      await write(range, Buffer.from('again'))
      const hasher = bytes.hasher(part, rows)
      expect(await hasher.digest(5)).toBe(sha256Of(Buffer.from('again')))
      hasher.close()
    })

    testOfHeldParts('a reader of a part goes on after it was published and removed', async () => {
      const content = randomBytes(10_000)
      await bytes.createPart(part, content.byteLength)
      const tag = await write({ start: 0, end: 10_000 }, content)
      const reader = (await bytes.openReader(part))!
      await bytes.publish({ ...part, size: content.byteLength }, 'r1_file', rows)
      await bytes.removePart(part)
      const chunk = { start: 0, end: 10_000, digest: '', tag }
      expect((await collect(reader.read(chunk, { start: 10, end: 20 }))).equals(content.subarray(10, 20))).toBe(true)
      await reader.close()
    })

    test('a part is made once, and a write never makes one', async () => {
      expect(await bytes.createPart(part, 10)).toBe(true)
      expect(await bytes.createPart(part, 10)).toBe(false)
      expect(await bytes.partSize(part)).toBe(10)
      expect(await bytes.listParts()).toEqual([part])
      await bytes.removePart(part)
      await bytes.removePart(part)
      expect(await bytes.partSize(part)).toBeUndefined()
      expect(await bytes.openReader(part)).toBeUndefined()
      expect(await bytes.listParts()).toEqual([])
      if (holdsParts)
        await expect(bytes.openWriter(part, { start: 0, end: 1 })).rejects.toMatchObject({ code: 'attempt-superseded' })
      expect(await bytes.listParts()).toEqual([])
    })

    test('an empty part has the digest of nothing', async () => {
      await bytes.createPart(part, 0)
      const hasher = bytes.hasher(part, rows)
      expect(await hasher.digest(0)).toBe(sha256Of(Buffer.alloc(0)))
      hasher.close()
    })

    test('the digest of a part that is gone is an error', async () => {
      const hasher = bytes.hasher(part, rows)
      await expect(hasher.digest(10)).rejects.toThrow()
      hasher.close()
    })

    test('a digest ends with its hasher', async () => {
      await bytes.createPart(part, 256 * 1024 * 1024)
      const hasher = bytes.hasher(part, rows)
      const digest = hasher.digest(256 * 1024 * 1024)
      hasher.close()
      await expect(digest).rejects.toThrow('closed')
    })

    test('publishing is repeatable, and never takes the name of something else', async () => {
      await bytes.createPart(part, 5)
      await write({ start: 0, end: 5 }, Buffer.from('hello'))
      expect(await bytes.publish({ ...part, size: 5 }, 'r1_x', rows)).toBe(true)
      expect(await bytes.publish({ ...part, size: 5 }, 'r1_x', rows)).toBe(true)
      const other = { id: randomUUID(), attempt: 1 }
      await bytes.createPart(other, 5)
      expect(await bytes.publish({ ...other, size: 5 }, 'r1_x', rows)).toBe(false)
      const stored = await bytes.openContent('r1_x')
      expect((await collect(stored.read({ start: 0, end: 5 }))).toString()).toBe('hello')
      await stored.close()
      await bytes.removeContent('r1_x')
      await bytes.removeContent('r1_x')
      await expect(bytes.openContent('r1_x')).rejects.toMatchObject({ code: 'content-removed' })
    })

    testOfObjects('what is read from a part that was removed says so', async () => {
      const content = randomBytes(10_000)
      await bytes.createPart(part, content.byteLength)
      const range = { start: 0, end: content.byteLength }
      const chunk = { ...range, digest: '', tag: await write(range, content) }
      const reader = (await bytes.openReader(part))!
      await bytes.removePart(part)
      await expect(collect(reader.read(chunk, range))).rejects.toMatchObject({ code: 'content-removed' })
      await reader.close()
    })

    testOfObjects(
      'what is written to a part that was removed can be discarded, or goes with its leftovers',
      async () => {
        await bytes.createPart(part, 10)
        await bytes.removePart(part)
        const range = { start: 0, end: 10 }
        const writer = await bytes.openWriter(part, range)
        await writer.write([randomBytes(10)])
        await writer.commit()
        await writer.discard()
        await writer.close()
        expect(await bytes.listParts()).toEqual([])
        await write(range, randomBytes(10))
        expect(await bytes.listParts()).toEqual([part])
        expect(await bytes.openReader(part)).toBeUndefined()
        await bytes.removePart(part)
        expect(await bytes.listParts()).toEqual([])
      },
    )

    testOfObjects('several processes use the same place', async () => {
      const other = await at.open()
      expect(await bytes.createPart(part, 5)).toBe(true)
      expect(await other.createPart(part, 5)).toBe(false)
      await write({ start: 0, end: 5 }, Buffer.from('hello'))
      const whole = { ...part, size: 5 }
      expect(await Promise.all([bytes, other].map((one) => one.publish(whole, 'r1_x', rows)))).toEqual([true, true])
      await other.removePart(part)
      expect(await bytes.partSize(part)).toBeUndefined()
      await other.close()
    })

    testOfHeldParts('a second process cannot open the same place', async () => {
      await expect(at.open()).rejects.toThrow('another server process')
      await bytes.close()
      bytes = await at.open()
      expect(await bytes.freeBytes()).toBeGreaterThan(0)
    })
  })
}
