import { once } from 'node:events'
import { createServer, request, type ClientRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals'
import { createIntake } from '../../server/http/intake.ts'
import { lengthOf } from '../../shared/batches.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024
const { signal } = new AbortController()

let server: Server

beforeEach(async () => {
  server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  jest.useRealTimers()
  server.closeAllConnections()
  server.close()
})

/** A PUT whose body is still to be written, and how it arrives at the server. */
async function beginPut(): Promise<{ out: ClientRequest; req: IncomingMessage }> {
  const arrived = once(server, 'request') as Promise<[IncomingMessage]>
  const { port } = server.address() as AddressInfo
  const out = request({ port, host: '127.0.0.1', method: 'PUT', agent: false })
  // What the test cuts off in the end is no failure.
  out.on('error', () => undefined).flushHeaders()
  return { out, req: (await arrived)[0] }
}

test('a batch has few pieces, however small the body is cut', async () => {
  const { out, req } = await beginPut()
  const batches = createIntake().read(req, signal)
  const length = 100_000
  out.socket?.write('1\r\nx\r\n'.repeat(length))
  out.end()
  let [taken, most] = [0, 0]
  for await (const batch of batches) {
    taken += lengthOf(batch)
    most = Math.max(most, batch.length)
  }
  expect(taken).toBe(length)
  // What one read of the socket holds is parsed in one go, and comes on top.
  expect(most).toBeLessThan(20_000)
})

test('a body that was stopped is passed on, although others have ended and there is more room for it now', async () => {
  // Without the ticks that would come to its help, late.
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'setTimeout', 'clearTimeout', 'performance', 'Date'] })
  const intake = createIntake()
  const { out, req } = await beginPut()
  const body = intake.read(req, signal)
  // Each of 32 has a 32nd of the room.
  const others: Awaited<ReturnType<typeof beginPut>>[] = []
  while (others.length < 31) others.push(await beginPut())
  const ends = others.map((other) => intake.read(other.req, signal).next())
  const first = body.next()
  out.write(Buffer.alloc(4 * MiB))
  expect((await first).done).toBe(false)
  await until('the body to be stopped', async () => req.isPaused())
  for (const other of others) other.out.destroy()
  await Promise.allSettled(ends)
  expect((await body.next()).done).toBe(false)
})
