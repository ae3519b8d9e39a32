import { createHash, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openS3Bytes } from '../../server/stores/s3/index.ts'
import type { ByteStore } from '../../server/byte-ports.ts'
import { describeWith } from '../helpers/needs.ts'
import { s3Lacking, s3Place, type S3Place } from '../helpers/s3.ts'
import { startStoreGuard } from '../helpers/store-guard.ts'

describeWith({ otherwise: s3Lacking() }, 'URLs of a store for who may put one chunk', () => {
  let place: S3Place
  const opened: ByteStore[] = []

  beforeEach(() => {
    place = s3Place()
  })
  afterEach(async () => {
    for (const bytes of opened.splice(0)) await bytes.close()
    expect((await place.keys()).filter((key) => key.startsWith('parts/'))).toEqual([])
    await place.remove()
  })

  const open = async (publicEndpoint?: string): Promise<Required<ByteStore>['direct']> => {
    const bytes = await openS3Bytes({ ...place, publicEndpoint, owner: 'contract' })
    opened.push(bytes)
    return bytes.direct!
  }

  /** Puts a chunk by a header that nobody signed, and that asks for a copy of another object. */
  const copies = async (direct: Required<ByteStore>['direct']): Promise<boolean> => {
    const part = { id: randomUUID(), attempt: 1 }
    const md5 = createHash('md5').update('chunk').digest('base64')
    const { url, headers, tag } = await direct.presignChunk({ part, start: 0, length: 5, md5, seconds: 60 })
    const source = `${place.bucket}/${place.prefix}backhaul.json`
    await fetch(url, { method: 'PUT', headers: { ...headers, 'x-amz-copy-source': source }, body: 'chunk' })
    const length = await direct.chunkLanded(part, 0, tag)
    await direct.discardChunk(part, 0, tag)
    return length !== undefined && length !== 5
  }

  test('are given away only where nobody gets a copy of what is not theirs', async () => {
    const direct = await open()
    if (await copies(direct)) await expect(direct.check()).rejects.toThrow('heeds headers that nobody signed')
    else await direct.check()
  })

  test('are given away where what stands before the store lets no copies through', async () => {
    const guard = await startStoreGuard(place.endpoint)
    const direct = await open(guard.url)
    expect(await copies(direct)).toBe(false)
    await direct.check()
    await guard.close()
  })

  test('are not given away where that cannot be tried', async () => {
    const direct = await open('http://127.0.0.1:9')
    await expect(direct.check()).rejects.toThrow('nothing can be sent to http://127.0.0.1:9 from here to try it')
  })
})
