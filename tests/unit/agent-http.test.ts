import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createHttp } from '../../agent/http.ts'
import { createLimiter, type Limiter, type Pass } from '../../agent/limiter.ts'
import { until } from '../helpers/until.ts'

const SIZE = 2048
const HELD_MS = 400
let server: Server
let url: string
let received: number
let broken: number

beforeEach(async () => {
  received = 0
  broken = 0
  server = createServer((request, response) => {
    request.on('data', (piece: Buffer) => (received += piece.length))
    request.on('end', () => response.writeHead(204).end())
    request.on('error', () => (broken += 1))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const put = (limiter: Limiter, signal = new AbortController().signal, more: { goodForMs?: number } = {}) =>
  createHttp({ server: url, userAgent: 'test', limiter }).request({
    method: 'PUT',
    path: '/jobs/a/file',
    body: { bytes: Buffer.alloc(SIZE), sliceLength: SIZE, onMoved: () => undefined },
    limitMs: 60_000,
    signal,
    ...more,
  })

test('what the limit holds back is no quiet of the line', async () => {
  const limiter = createLimiter()
  const slow = async (pass: Pass, wanted: number): Promise<number> => {
    await delay(HELD_MS)
    return pass.take(Math.min(wanted, SIZE / 2))
  }
  const holding: Limiter = {
    ...limiter,
    async admit(upload) {
      const pass = await limiter.admit(upload)
      return { ...pass, take: (wanted) => slow(pass, wanted) }
    },
  }
  const { status, quietMs } = await put(holding)
  expect([status, received]).toEqual([204, SIZE])
  expect(quietMs).toBeLessThan(HELD_MS / 2)
})

test('off: an upload that is under way ends at once, as one that may be sent again; later ones wait, or are cancelled', async () => {
  const limiter = createLimiter()
  limiter.set({ rate: 1000 })
  const first = put(limiter)
  await until('the first bytes', async () => received > 0)
  limiter.set({ rate: 0 })
  await expect(first).rejects.toMatchObject({ name: 'TransientError', limited: true, stalled: false, cut: false })
  await until('the connection to be broken', async () => broken > 0)
  const abort = new AbortController()
  const cancelled = put(limiter, abort.signal)
  const later = put(limiter)
  abort.abort(new Error('cancelled'))
  await expect(cancelled).rejects.toThrow('cancelled')
  limiter.set({ rate: Number.POSITIVE_INFINITY })
  expect(await later).toMatchObject({ status: 204 })
})

test('what waited for the limit for so long that it is good no more is not sent', async () => {
  const limiter = createLimiter()
  limiter.set({ rate: 0 })
  const late = put(limiter, undefined, { goodForMs: 50 })
  const inTime = put(limiter, undefined, { goodForMs: 60_000 })
  await delay(100)
  limiter.set({ rate: Number.POSITIVE_INFINITY })
  await expect(late).rejects.toMatchObject({ name: 'TransientError', limited: true })
  expect(await inTime).toMatchObject({ status: 204 })
  expect(received).toBe(SIZE)
})
