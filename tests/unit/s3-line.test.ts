import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateBucketCommand, DeleteBucketCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { ByteStore } from '../../server/byte-ports.ts'
import { openS3Bytes } from '../../server/stores/s3/index.ts'
import { sha256Of } from '../helpers/folder.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { collect, contentOf, writePart, type WrittenPart } from '../helpers/s3-parts.ts'
import { s3Lacking, s3Place, type S3Place } from '../helpers/s3.ts'
import { until } from '../helpers/until.ts'

const MiB = 2 ** 20
const lacks = s3Lacking()
const describeOnS3 = lacks === undefined ? describe : describe.skip
const why = lacks === undefined ? '' : ` (${lacks})`

describeOnS3(`the line to S3${why}`, () => {
  let place: S3Place
  let line: Proxy
  let bytes: ByteStore

  beforeEach(async () => {
    place = s3Place()
    line = await startProxy(place.endpoint, { random: () => 0.5 })
    bytes = await openS3Bytes({ ...place, endpoint: line.url, owner: 'line' })
  })
  afterEach(async () => {
    await bytes.close()
    await line.close()
    await place.remove()
  })

  /** Writes a part of one chunk, and does something to the line when a part of its bytes is there. */
  const whileSending = async (content: Buffer, happen: () => void): Promise<WrittenPart> => {
    const before = line.sent()
    line.slow(20 * MiB)
    const writing = writePart(bytes, content, [content.byteLength])
    await until('the chunk under way', async () => line.sent() > before + MiB)
    happen()
    line.slow(Infinity)
    return writing
  }

  test('while nobody answers the store is busy, and afterwards everything goes on', async () => {
    const part = { id: randomUUID(), attempt: 1 }
    await bytes.createPart(part, 5)
    const writer = await bytes.openWriter(part, { start: 0, end: 5 })
    await writer.write([Buffer.from('hello')])
    line.refuse()
    for (const asked of [
      bytes.check(),
      bytes.partSize(part),
      bytes.listParts(),
      bytes.openContent('x'),
      writer.commit(),
    ])
      await expect(asked).rejects.toMatchObject({ code: 'store-busy' })
    await writer.close()
    line.welcome()
    await bytes.check()
    expect(await bytes.partSize(part)).toBe(5)
  })

  test('a chunk that is damaged on the way to the store is sent again', async () => {
    const content = randomBytes(6 * MiB)
    const part = await whileSending(content, () => line.damage(1))
    expect(line.damaged()).toBe(1)
    const hasher = bytes.hasher(part, part.rows)
    expect(await hasher.digest(part.size)).toBe(sha256Of(content))
    hasher.close()
  })

  test('a chunk whose connection breaks is sent again, from memory and from a file', async () => {
    for (const size of [6 * MiB, 12 * MiB]) {
      const content = randomBytes(size)
      const part = await whileSending(content, line.cut)
      expect(await bytes.publish(part, `r1_${size}`, part.rows)).toBe(true)
      expect((await contentOf(bytes, `r1_${size}`)).equals(content)).toBe(true)
    }
  })

  test('a reader goes on where its connection broke', async () => {
    const content = randomBytes(20 * MiB)
    const part = await writePart(bytes, content, [content.byteLength])
    await bytes.publish(part, 'r1_file', part.rows)
    const stored = await bytes.openContent('r1_file')
    const pieces: Uint8Array[] = []
    let breaks = 0
    let taken = 0
    for await (const piece of stored.read({ start: 1, end: stored.size })) {
      pieces.push(piece)
      taken += piece.byteLength
      if (taken < (breaks + 1) * 4 * MiB) continue
      breaks += 1
      line.cut()
    }
    await stored.close()
    expect(breaks).toBeGreaterThan(2)
    expect(Buffer.concat(pieces).equals(content.subarray(1))).toBe(true)
  })

  test('a proxy that answers 404 while the store is away does not make anything missing', async () => {
    const front = await startFront(place.endpoint)
    const behind = await openS3Bytes({ ...place, endpoint: front.url, owner: 'line' })
    const content = randomBytes(MiB)
    const part = await writePart(behind, content, [MiB])
    await behind.publish(part, 'r1_file', part.rows)
    front.away(true)
    const busy = { code: 'store-busy' }
    const hasher = behind.hasher(part, part.rows)
    await expect(hasher.digest(part.size)).rejects.toMatchObject(busy)
    for (const asked of [
      behind.partSize(part),
      behind.openContent('r1_file'),
      behind.removeContent('r1_file'),
      behind.publish(part, 'r1_other', part.rows),
      behind.removePart(part),
    ])
      await expect(asked).rejects.toMatchObject(busy)
    front.away(false)
    expect(await hasher.digest(part.size)).toBe(sha256Of(content))
    hasher.close()
    expect((await contentOf(behind, 'r1_file')).equals(content)).toBe(true)
    await behind.removeContent('r1_file')
    await expect(behind.openContent('r1_file')).rejects.toMatchObject({ code: 'content-removed' })
    await behind.close()
    await front.close()
  })

  test('an upload that was noted stands, though the answer to its note got lost', async () => {
    const front = await startFront(place.endpoint)
    const behind = await openS3Bytes({ ...place, endpoint: front.url, owner: 'line' })
    const content = randomBytes(12 * MiB)
    const part = await writePart(behind, content, [6 * MiB, 6 * MiB])
    front.loseAnswerOf(/^PUT .*\/upload(\?|$)/)
    expect(await behind.publish(part, 'r1_file', part.rows)).toBe(true)
    expect(front.lost()).toBe(1)
    await behind.close()
    await front.close()
  })

  test('a file that is removed while it is read ends as such', async () => {
    const part = await writePart(bytes, randomBytes(MiB), [MiB])
    await bytes.publish(part, 'r1_file', part.rows)
    const stored = await bytes.openContent('r1_file')
    await bytes.removeContent('r1_file')
    await expect(collect(stored.read({ start: 0, end: MiB }))).rejects.toMatchObject({ code: 'content-removed' })
    await stored.close()
  })
})

describeOnS3(`a place on S3${why}`, () => {
  let place: S3Place
  beforeEach(() => void (place = s3Place()))
  afterEach(() => place.remove())

  test('belongs to the first who comes', async () => {
    const [first, again] = [await openS3Bytes({ ...place, owner: 'a' }), await openS3Bytes({ ...place, owner: 'a' })]
    await expect(openS3Bytes({ ...place, owner: 'b' })).rejects.toThrow('another installation uses s3://')
    await Promise.all([first.close(), again.close()])
  })

  test('what is wrong with its address is said', async () => {
    const open = (other: Partial<S3Place>) => openS3Bytes({ ...place, ...other, owner: 'a' })
    await expect(open({ bucket: 'not-there' })).rejects.toThrow(/no such bucket; check STORAGE_URL/)
    await expect(open({ endpoint: 'http://127.0.0.1:1' })).rejects.toThrow(/does not answer.*check S3_ENDPOINT/)
    const key = process.env['AWS_SECRET_ACCESS_KEY']
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong'
    try {
      await expect(open({})).rejects.toThrow(/check .*AWS_/)
    } finally {
      process.env['AWS_SECRET_ACCESS_KEY'] = key
    }
  })

  test('a whole bucket is a place, too', async () => {
    const bucket = `backhaul-${randomUUID()}`
    await place.client.send(new CreateBucketCommand({ Bucket: bucket }))
    const whole = { ...place, bucket, prefix: '' }
    const bytes = await openS3Bytes({ ...whole, owner: 'a' })
    const part = await writePart(bytes, Buffer.from('hello'), [2, 3])
    expect(await bytes.publish(part, 'r1_file', part.rows)).toBe(true)
    expect(bytes.location('r1_file')).toBe(`s3://${bucket}/files/r1_file`)
    await bytes.removePart(part)
    await bytes.removeContent('r1_file')
    await bytes.close()
    const { DeleteObjectCommand } = await import('@aws-sdk/client-s3')
    await place.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'backhaul.json' }))
    await place.client.send(new DeleteBucketCommand({ Bucket: bucket }))
  })

  test('signed URLs take a chunk, whole and undamaged, and hand out a file under its name', async () => {
    const bytes = await openS3Bytes({ ...place, owner: 'a' })
    const content = randomBytes(1000)
    const part = { id: randomUUID(), attempt: 1, size: 1000 }
    await bytes.createPart(part, 1000)
    const md5 = createHash('md5').update(content).digest('base64')
    const { url, headers, tag } = await bytes.direct!.presignChunk({ part, start: 0, length: 1000, md5, seconds: 60 })
    expect(await bytes.direct!.chunkLanded(part, 0, tag)).toBeUndefined()
    const put = (body: Buffer, sent: Record<string, string>) =>
      fetch(url, { method: 'PUT', headers: sent, body: new Uint8Array(body) })
    expect((await put(randomBytes(1000), headers)).status).toBe(400)
    expect((await put(content.subarray(1), { 'Content-MD5': md5 })).status).toBeGreaterThanOrEqual(400)
    expect(await bytes.direct!.chunkLanded(part, 0, tag)).toBeUndefined()
    expect((await put(content, headers)).status).toBe(200)
    expect(await bytes.direct!.chunkLanded(part, 0, tag)).toBe(1000)
    const rows = { received: async () => [], chunksFrom: async () => [{ start: 0, end: 1000, digest: '', tag }] }
    expect(await bytes.publish(part, 'r1_ü & ö.bin', rows)).toBe(true)
    const answer = await fetch(await bytes.contentUrl!('r1_ü & ö.bin', { filename: 'ü & ö.bin', seconds: 60 }))
    expect(answer.headers.get('content-disposition')).toContain("filename*=UTF-8''%C3%BC%20%26%20%C3%B6.bin")
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true)
    await bytes.close()
  })
})

/** A reverse proxy as many are: it answers 404 itself while what is behind it restarts. */
async function startFront(target: string) {
  const { hostname, port } = new URL(target)
  let isAway = false
  let losing: RegExp | undefined
  let lost = 0
  const server = createServer((asked, answer) => {
    if (isAway) {
      asked.resume()
      answer.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('404 page not found\n')
      return
    }
    const { method, url: path, headers } = asked
    const further = request({ hostname, port, method, path, headers }, (got) => {
      if (losing?.test(`${method} ${path}`)) {
        losing = undefined
        lost += 1
        answer.destroy()
        return
      }
      answer.writeHead(got.statusCode ?? 500, got.headers)
      got.pipe(answer)
    })
    asked.pipe(further.on('error', () => answer.destroy()))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    away: (is: boolean) => void (isAway = is),
    /** The next request that fits is carried out, and not answered. */
    loseAnswerOf: (asked: RegExp) => void (losing = asked),
    lost: () => lost,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
