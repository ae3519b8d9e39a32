import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createApi } from '../../agent/api.ts'
import { createHttp } from '../../agent/http.ts'
import { createProof } from '../../agent/proof.ts'
import { createRetry } from '../../agent/retry.ts'
import { openSource } from '../../agent/source.ts'
import { runningDigest } from '../../shared/digest.ts'
import type { ChunksPage } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const MiB = 1024 * 1024
const SIZE = 5 * MiB + 7
const content = randomBytes(SIZE)
const servers: Server[] = []
let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  const made = await temporaryFolder()
  folder = made.folder
  remove = made.remove
  await writeFile(join(folder, 'file'), content)
})
afterAll(async () => {
  for (const server of servers) server.close()
  await remove()
})

/** Either algorithm. */
const row = (start: number, end: number) => {
  const running = runningDigest(start % 2 === 0 ? 'crc32' : 'sha-256')
  running.update(content.subarray(start, end))
  return { start, end, digest: running.hex() }
}

/** Proves against a server that answers these pages, by where they begin. @returns the paths asked for */
async function prove(pages: Record<number, Partial<ChunksPage>>, received: Range[]): Promise<string[]> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const from = Number(new URL(request.url ?? '', 'http://x').searchParams.get('from'))
    response.writeHead(200, { 'content-type': 'application/json', connection: 'close' })
    response.end(JSON.stringify({ attempt: 3, chunks: [], next: null, ...pages[from] }))
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const http = createHttp({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, userAgent: 'test' })
  const log = pino({ level: 'silent' })
  const retry = createRetry({ log })
  const shared = { file: join(folder, 'file'), roots: [] }
  const source = await openSource({ requested: null, policy: 'prefix', shared })
  try {
    await createProof({
      api: createApi({ http, retry, session: { session: '1.x' }, onSessionEnd: () => undefined }),
      source,
      log,
      signal: new AbortController().signal,
    })({ id: 'job', attempt: 3, size: SIZE, received })
    return asked
  } finally {
    await source.close()
  }
}

test('every chunk of every page is compared, however large it is', async () => {
  const pages = {
    0: { chunks: [row(0, 10), row(10, 3 * MiB)], next: 4 * MiB },
    [4 * MiB]: { chunks: [row(4 * MiB, SIZE)] },
  }
  const received = [
    { start: 0, end: 3 * MiB },
    { start: 4 * MiB, end: SIZE },
  ]
  const path = '/jobs/job/chunks?attempt=3&from='
  expect(await prove(pages, received)).toEqual([`${path}0`, `${path}${4 * MiB}`])
})

test('a chunk of other bytes, on the last page, is a change', async () => {
  const pages = {
    0: { chunks: [row(0, MiB)], next: MiB },
    [MiB]: { chunks: [{ ...row(MiB, SIZE), digest: row(0, SIZE).digest }] },
  }
  const proving = prove(pages, [{ start: 0, end: SIZE }])
  await expect(proving).rejects.toMatchObject({ name: 'JobFailure', code: 'changed' })
  await expect(proving).rejects.toThrow(`other bytes from ${MiB} to ${SIZE - 1}`)
})

test.each([
  ['bytes past the end', { chunks: [{ ...row(0, SIZE), end: SIZE + 1 }] }],
  ['an empty chunk', { chunks: [row(5, 5), row(0, SIZE)] }],
  ['chunks that overlap', { chunks: [row(0, 10), row(9, SIZE)] }],
  ['another attempt', { attempt: 2, chunks: [row(0, SIZE)] }],
  ['pages without an end', { chunks: [row(0, SIZE)], next: 0 }],
  ['a page after the end', { chunks: [row(0, SIZE)], next: SIZE }],
  ['less than it said at begin', { chunks: [row(0, 10), row(11, SIZE)] }],
  ['nothing', {}],
])('an agent checks what it is told: %s', async (_name, page) => {
  await expect(prove({ 0: page }, [{ start: 0, end: SIZE }])).rejects.toMatchObject({ name: 'JobDropped', again: true })
})
