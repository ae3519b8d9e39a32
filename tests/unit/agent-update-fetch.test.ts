import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createHttp } from '../../agent/http.ts'
import { createRetry } from '../../agent/retry.ts'
import { fetchFile } from '../../agent/update/fetch.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const MiB = 1024 * 1024
const NAME = 'backhaul-agent-9.0.0-linux-x64.gz'

let place: Awaited<ReturnType<typeof temporaryFolder>>
let to: string

beforeEach(async () => {
  place = await temporaryFolder()
  to = join(place.folder, 'part')
})
afterEach(() => place.remove())

/** Fetches from a server that does what it likes. @returns the ranges that it was asked for */
async function fetchFrom(listener: RequestListener): Promise<string[]> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(String(request.headers.range))
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const http = createHttp({ server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, userAgent: 'test' })
  const deps = {
    api: { send: http.request },
    retry: createRetry({ log: pino({ level: 'silent' }) }),
    limiter: { rate: () => Number.POSITIVE_INFINITY },
  }
  try {
    await fetchFile(NAME, to, deps, AbortSignal.timeout(20_000))
    return asked
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Answers a range with a piece, and says how long the whole is. */
const piecesOf =
  (totalAt: (start: number) => number): RequestListener =>
  (request, response) => {
    const [start, end] = /\d+-\d+/.exec(String(request.headers.range))![0].split('-').map(Number) as [number, number]
    const total = totalAt(start)
    const bytes = Buffer.alloc(Math.min(end + 1, total) - start, 'x')
    const range = `bytes ${start}-${start + bytes.length - 1}/${total}`
    response.writeHead(206, { 'content-range': range, 'content-length': bytes.length }).end(bytes)
  }

test('fetches piece by piece to the end', async () => {
  expect((await fetchFrom(piecesOf(() => MiB))).length).toBeGreaterThan(2)
  expect((await readFile(to)).equals(Buffer.alloc(MiB, 'x'))).toBe(true)
})

test.each([
  ['at once', () => 2 ** 40],
  ['once a part is here', (start: number) => (start === 0 ? MiB : 2 ** 40)],
])('a server that says %s that there is more than an agent can have fills no disk', async (_, totalAt) => {
  await expect(fetchFrom(piecesOf(totalAt))).rejects.toThrow(`${NAME} of the server is too large to be an agent`)
  expect((await stat(to)).size).toBeLessThan(MiB)
})

test('what gives no ranges ends it, instead of sending the whole again and again', async () => {
  const whole: RequestListener = (_, response) => response.writeHead(200).end(Buffer.alloc(8 * MiB))
  await expect(fetchFrom(whole)).rejects.toThrow(/comes only as a whole, .* must let requests with Range through$/)
})
