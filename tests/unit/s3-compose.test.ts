import { randomBytes } from 'node:crypto'
import { AbortMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { ByteStore } from '../../server/byte-ports.ts'
import { openS3Bytes } from '../../server/stores/s3/index.ts'
import { startProxy } from '../helpers/proxy.ts'
import { contentOf, uploadsIn, writePart, type WrittenPart } from '../helpers/s3-parts.ts'
import { s3Lacking, s3Place, type S3Place } from '../helpers/s3.ts'

const KiB = 1024
const MiB = 1024 * KiB
const lacks = s3Lacking()
const describeOnS3 = lacks === undefined ? describe : describe.skip

/** So many of the same length. */
const times = (count: number, length: number): number[] => Array.from({ length: count }, () => length)

describeOnS3(`files put together on S3${lacks === undefined ? '' : ` (${lacks})`}`, () => {
  let place: S3Place
  let bytes: ByteStore

  beforeEach(async () => {
    place = s3Place()
    bytes = await openS3Bytes({ ...place, owner: 'compose' })
  })
  afterEach(async () => {
    await bytes.close()
    await place.remove()
  })

  const write = async (lengths: number[]): Promise<WrittenPart & { content: Buffer }> => {
    const content = randomBytes(lengths.reduce((sum, length) => sum + length, 0))
    return { ...(await writePart(bytes, content, lengths)), content }
  }

  const same = async (name: string, content: Buffer): Promise<boolean> => (await contentOf(bytes, name)).equals(content)

  test.each<[string, number[]]>([
    ['nothing', []],
    ['one chunk', [3 * MiB]],
    ['one long chunk, which waits in a file', [20 * MiB]],
    ['many short chunks in one part', times(150, 20 * KiB + 1)],
    ['short chunks in several parts', times(13, MiB)],
    ['long chunks', [6 * MiB, 5 * MiB, 9 * MiB, 17]],
    ['long and short ones', [6 * MiB, 1, 8 * MiB, 100 * KiB, 100 * KiB, 7 * MiB, 2 * MiB]],
  ])('%s', async (_what, lengths) => {
    const part = await write(lengths)
    expect(await bytes.publish(part, 'r1_file', part.rows)).toBe(true)
    expect(await same('r1_file', part.content)).toBe(true)
    expect(await uploadsIn(place)).toEqual([])
    await bytes.removePart(part)
    expect(await place.keys()).toEqual(['backhaul.json', 'files/r1_file'])
    expect(await bytes.publish(part, 'r1_file', part.rows)).toBe(true)
  })

  test('several servers at once make one right file', async () => {
    const part = await write([6 * MiB, ...times(9, MiB), 6 * MiB, 5])
    const others = await Promise.all(times(2, 0).map(() => openS3Bytes({ ...place, owner: 'compose' })))
    const published = await Promise.all([bytes, ...others].map((one) => one.publish(part, 'r1_file', part.rows)))
    expect(published).toEqual([true, true, true])
    expect(await same('r1_file', part.content)).toBe(true)
    expect(await uploadsIn(place)).toEqual([])
    await Promise.all(others.map((other) => other.close()))
  })

  /** A store whose line breaks after so many bytes of what it puts together. */
  const interrupted = async (part: WrittenPart, name: string, after: number): Promise<unknown> => {
    const line = await startProxy(place.endpoint)
    const cutOff = await openS3Bytes({ ...place, endpoint: line.url, owner: 'compose' })
    line.allow(after)
    const published = cutOff.publish(part, name, part.rows).catch((error: unknown) => error)
    await line.held()
    line.refuse()
    const outcome = await published
    await cutOff.close()
    await line.close()
    return outcome
  }

  test('what was put together before an interruption is not done again', async () => {
    const part = await write(times(24, MiB))
    expect(await interrupted(part, 'r1_file', 21 * MiB)).toMatchObject({ code: 'store-busy' })
    expect(await uploadsIn(place)).toMatchObject([{ key: 'files/r1_file' }])
    const line = await startProxy(place.endpoint)
    const again = await openS3Bytes({ ...place, endpoint: line.url, owner: 'compose' })
    expect(await again.publish(part, 'r1_file', part.rows)).toBe(true)
    expect(line.sent()).toBeLessThan(20 * MiB)
    expect(await same('r1_file', part.content)).toBe(true)
    expect(await uploadsIn(place)).toEqual([])
    await again.close()
    await line.close()
  })

  test('an upload that the store has dropped is begun again', async () => {
    const part = await write(times(12, MiB))
    await interrupted(part, 'r1_file', 6 * MiB)
    const { client, bucket, prefix } = place
    for (const { key, id } of await uploadsIn(place))
      await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: prefix + key, UploadId: id }))
    expect(await bytes.publish(part, 'r1_file', part.rows)).toBe(true)
    expect(await same('r1_file', part.content)).toBe(true)
  })

  test('an upload for another name is given up, and one under way goes with its part', async () => {
    const part = await write(times(12, MiB))
    await interrupted(part, 'r1_file', 6 * MiB)
    await interrupted(part, 'r1_file_2', 6 * MiB)
    expect(await uploadsIn(place)).toMatchObject([{ key: 'files/r1_file_2' }])
    await bytes.removePart(part)
    expect(await uploadsIn(place)).toEqual([])
    expect(await place.keys()).toEqual(['backhaul.json'])
  })

  test('a name that something else bears is not taken', async () => {
    const part = await write([10])
    const { client, bucket, prefix } = place
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}files/r1_file`, Body: 'theirs' }))
    expect(await bytes.publish(part, 'r1_file', part.rows)).toBe(false)
    await bytes.unpublish(part, 'r1_file')
    expect((await contentOf(bytes, 'r1_file')).toString()).toBe('theirs')
    expect(await bytes.publish(part, 'r1_file_2', part.rows)).toBe(true)
    await bytes.unpublish(part, 'r1_file_2')
    await expect(bytes.openContent('r1_file_2')).rejects.toMatchObject({ code: 'content-removed' })
  })

  test('rows with a hole, or chunks that are gone, make no file', async () => {
    const part = await write(times(12, MiB))
    const [lost] = part.chunks.splice(7, 1)
    await expect(bytes.publish(part, 'r1_file', part.rows)).rejects.toMatchObject({ code: 'content-removed' })
    part.chunks.push({ ...lost!, tag: 'gone' })
    await expect(bytes.publish(part, 'r1_file', part.rows)).rejects.toMatchObject({ code: 'content-removed' })
    await expect(bytes.openContent('r1_file')).rejects.toMatchObject({ code: 'content-removed' })
    const hasher = bytes.hasher(part, part.rows)
    await expect(hasher.digest(part.size)).rejects.toMatchObject({ code: 'content-removed' })
    hasher.close()
  })
})
