import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Pair } from './certificates.ts'
import type { Json } from './stack.ts'
import { until } from './until.ts'

/** A webhook as it came. */
export interface Received {
  path: string
  headers: IncomingHttpHeaders
  body: string
  json: Json
}

/** Somebody who is told of what happens: the other side of webhooks. */
export interface Receiver {
  port: number
  url: string
  received: Received[]
  /** How many requests waited for their answers at the same time, at most. */
  mostAtOnce(): number
  /** What came, once there are so many. */
  has(count: number): Promise<Received[]>
  close(): Promise<void>
}

/** @param answer by default 204 @param at.tls for HTTPS */
export async function startReceiver(
  answer: (response: ServerResponse, received: Received) => void = (response) => response.writeHead(204).end(),
  { port = 0, tls }: { port?: number; tls?: Pair } = {},
): Promise<Receiver> {
  const received: Received[] = []
  let [open, most] = [0, 0]
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request)
    const one = { path: request.url ?? '', headers: request.headers, body, json: JSON.parse(body) as Json }
    received.push(one)
    answer(response, one)
  }
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    most = Math.max(most, (open += 1))
    response.once('close', () => (open -= 1))
    // A test that waits for what was cut off says so.
    receive(request, response).catch(() => response.destroy())
  }
  const server = tls
    ? createSecureServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, take)
    : createServer(take)
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve))
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${bound}`,
    received,
    mostAtOnce: () => most,
    has: (count) => until(`${count} webhooks`, async () => received.length >= count && received),
    async close() {
      const closed = new Promise((resolve) => void server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
