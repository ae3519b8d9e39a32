import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { constants, crc32, zstdCompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { formatChunkDigest } from '../../shared/digest.ts'
import { pause } from '../../shared/wait.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { sha256Of } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024

const lines = (length: number): Buffer<ArrayBuffer> => {
  const text = Array.from({ length: length / 16 }, (_, number) => `request ${String(number).padStart(7, '0')}\n`)
  return Buffer.from(text.join(''))
}

const checkOf = (bytes: Uint8Array): string => formatChunkDigest(`crc32:${crc32(bytes).toString(16).padStart(8, '0')}`)

// Chunks that are encoded on the way, by hand.
describe('an encoded chunk', () => {
  let stack: Stack
  const content = lines(4 * MiB)
  const sha256 = sha256Of(content)

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  const headersOf = (session: string, [start, end]: [number, number], total = content.byteLength) => ({
    'agent-session': session,
    attempt: '1',
    'content-range': `bytes ${start}-${end - 1}/${total}`,
    'chunk-encoding': 'zstd',
    'chunk-digest': checkOf(content.subarray(start, end)),
  })

  const begun = async (bytes = content) => {
    const job = await beginByHand(stack, bytes)
    const put = async (body: Buffer<ArrayBuffer>, range: [number, number], more: Record<string, string> = {}) => {
      const response = await fetch(`${stack.url}/jobs/${job.id}/file`, {
        method: 'PUT',
        headers: { ...headersOf(job.session, range, bytes.byteLength), ...more },
        body,
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as Json) }
    }
    return { ...job, putEncoded: put }
  }

  const damaged = { status: 400, body: { code: 'digest-mismatch' } }

  test('is announced, lands decoded beside others that are not, and its replay is read without being decoded', async () => {
    const { id, begun: answer, put, putEncoded, complete } = await begun()
    expect(answer).toMatchObject({ encodings: ['zstd'], digests: ['sha-256', 'crc32'] })
    const half = content.byteLength / 2
    const encoded = zstdCompressSync(content.subarray(half))
    expect(encoded.byteLength).toBeLessThan(half / 8)
    expect((await putEncoded(encoded, [half, 2 * half])).status).toBe(204)
    expect((await putEncoded(Buffer.from('no frame'), [half, 2 * half])).status).toBe(204)
    expect((await put(0, half)).status).toBe(204)
    expect(await stack.get(`/jobs/${id}/chunks?attempt=1`)).toMatchObject({
      chunks: [
        { digest: sha256Of(content.subarray(0, half)) },
        { digest: expect.stringMatching(/^crc32:[0-9a-f]{8}$/) },
      ],
    })
    expect(await complete(id, 1, content.byteLength, sha256)).toMatchObject({ status: 200, body: { verified: true } })
    expect((await stack.stored(await stack.get(`/downloads/${id}`))).equals(content)).toBe(true)
  })

  const whole: [number, number] = [0, content.byteLength]
  const frame = zstdCompressSync(content)
  const flipped = Buffer.from(frame)
  flipped[frame.byteLength >> 1] = (flipped[frame.byteLength >> 1] ?? 0) ^ 0x10
  const wide = { params: { [constants.ZSTD_c_windowLog]: 24 } }

  test.each([
    ['a flipped bit', flipped],
    ['a frame cut off', frame.subarray(0, -3)],
    ['nothing', Buffer.alloc(0)],
    ['a frame and something behind it', Buffer.concat([frame, Buffer.from('x')])],
    [
      'two frames',
      Buffer.concat([zstdCompressSync(content.subarray(0, MiB)), zstdCompressSync(content.subarray(MiB))]),
    ],
    ['no frame at all', content],
    ['less than the range', zstdCompressSync(content.subarray(1))],
    ['more than the range', zstdCompressSync(Buffer.concat([content, content]))],
    ['other bytes', zstdCompressSync(Buffer.alloc(content.byteLength))],
    ['a window larger than 8 MiB', zstdCompressSync(lines(32 * MiB), wide)],
  ])('with %s is damaged, and leaves nothing', async (_what, body) => {
    const { id, putEncoded } = await begun()
    expect(await putEncoded(body, whole)).toMatchObject(damaged)
    expect(await stack.get(`/jobs/${id}`)).toMatchObject({ received: [], attempt: 1 })
    expect((await putEncoded(frame, whole)).status).toBe(204)
  })

  test('that would become a thousand times as long is not decoded to its end', async () => {
    const { putEncoded } = await begun()
    const bomb = zstdCompressSync(Buffer.alloc(1024 * MiB))
    const peak = async (): Promise<number> =>
      Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${stack.server.pid}/status`, 'utf8'))?.[1]) / 1024
    const before = await peak()
    for (let round = 0; round < 10; round += 1) expect(await putEncoded(bomb, whole)).toMatchObject(damaged)
    expect((await peak()) - before).toBeLessThan(100)
  })

  test.each([
    ['another encoding', { 'chunk-encoding': 'gzip' }, 415, 'unsupported-media-type'],
    ['Content-Encoding', { 'content-encoding': 'zstd' }, 415, 'unsupported-media-type'],
    ['a digest of what is encoded only', { 'chunk-digest': '', 'content-digest': 'sha-256=:AAAA:' }, 400, 'invalid'],
    ['a digest of an unknown kind', { 'chunk-digest': 'md5=:1B2M2Y8AsgTpgAmY7PhCfg==:' }, 400, 'digest-invalid'],
  ])('is refused with %s', async (_what, headers, status, code) => {
    const { putEncoded } = await begun()
    expect(await putEncoded(frame, whole, headers)).toMatchObject({ status, body: { code } })
  })

  test('is refused where it is longer than its bytes, or decodes to more than a server takes at once', async () => {
    const { putEncoded } = await begun()
    const noise = randomBytes(100_000)
    expect(await putEncoded(noise, [0, 90_000])).toMatchObject({ status: 400, body: { code: 'range-invalid' } })
    const large = await beginByHand(stack, Buffer.alloc(20 * MiB))
    const response = await fetch(`${stack.url}/jobs/${large.id}/file`, {
      method: 'PUT',
      headers: headersOf(large.session, [0, 20 * MiB], 20 * MiB),
      body: frame,
    })
    expect([response.status, response.headers.get('upload-limit')]).toEqual([413, `max-append-size=${16 * MiB}`])
  })

  test('a whole file is not encoded', async () => {
    const { id } = await stack.ask({ clientId: (await begun()).clientId })
    const response = await fetch(`${stack.url}/jobs/${id}/file`, {
      method: 'PUT',
      headers: { 'chunk-encoding': 'zstd' },
      body: frame,
    })
    expect([response.status, ((await response.json()) as Json)['code']]).toEqual([400, 'range-invalid'])
  })

  testWith({ long: true }, 'that comes slowly is moving: nobody takes its range over', async () => {
    const { id, session, put } = await begun()
    const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
    let text = ''
    socket.on('data', (data) => (text += data.toString())).on('error', () => undefined)
    const headers = {
      ...headersOf(session, whole),
      host: 'localhost',
      expect: '100-continue',
      'content-length': frame.length,
    }
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    socket.write([`PUT /jobs/${id}/file HTTP/1.1`, ...head, '\r\n'].join('\r\n'))
    await until('100 Continue', async () => text.startsWith('HTTP/1.1 100'))
    const rival = put(0, content.byteLength, { headers: { 'content-digest': '', 'chunk-digest': checkOf(content) } })
    // A little every second, for longer than a writer may stand still.
    const step = Math.ceil(frame.byteLength / 8)
    for (let at = 0; at < frame.byteLength; at += step) {
      socket.write(frame.subarray(at, at + step))
      await pause(900)
    }
    await until('204', async () => text.includes('HTTP/1.1 204'))
    expect((await rival).status).toBe(204)
    expect(await stack.get(`/downloads/${id}`)).toMatchObject({ bytesResent: content.byteLength })
    socket.destroy()
  })
})
