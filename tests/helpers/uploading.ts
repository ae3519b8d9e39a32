import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { pino } from 'pino'
import { createApi } from '../../agent/api.ts'
import { createHttp } from '../../agent/http.ts'
import { createHashers } from '../../agent/hasher.ts'
import { createLanes } from '../../agent/lanes.ts'
import { createChunkLimits } from '../../agent/limits.ts'
import type { Limiter } from '../../agent/limiter.ts'
import { createPatience } from '../../agent/patience.ts'
import { createRetry } from '../../agent/retry.ts'
import { openSource } from '../../agent/source.ts'
import { openState } from '../../agent/state.ts'
import { createStoreHttp } from '../../agent/store-http.ts'
import { createUpload } from '../../agent/upload.ts'
import { formatDigest } from '../../shared/digest.ts'
import { parseContentRange, union, type ContentRange, type Range } from '../../shared/ranges.ts'
import { fixedFlow } from './fixed-flow.ts'
import { sha256Of, temporaryFolder } from './folder.ts'

const KiB = 1024
/** Bytes of the file. */
export const SIZE = 2000 * KiB + 7
/** What the file holds, and its SHA-256. */
export const content = randomBytes(SIZE)
export const digest = sha256Of(content)
const silent = pino({ level: 'silent' })

export interface Put {
  request: IncomingMessage
  response: ServerResponse
  range: ContentRange
  length: number
  /** The whole body. */
  body: () => Promise<Buffer>
}

/** A request that is no chunk. */
export interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  /** Bytes are where a chunk by way of the server would have brought them. */
  keep(start: number, bytes: Buffer): void
}

export const problem = (response: ServerResponse, status: number, code: string, more = {}, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close', ...headers })
  response.end(JSON.stringify({ type: 'about:blank', title: code, status, code, ...more }))
}

/** Uploads of a file in a folder of their own; to be ended in any case. */
export async function createUploading() {
  const { folder, remove } = await temporaryFolder()
  const servers: Server[] = []
  const hashers = createHashers()
  let runs = 0
  await writeFile(join(folder, 'file'), content)

  /** Sends the file to a server of its own, whose `answer` returns true when the chunk is to be stored. */
  const run = async (
    answer: (put: Put) => Promise<boolean> | boolean,
    {
      received = [] as Range[],
      parallel = 3,
      answersLooks = (): boolean => true,
      lanes = createLanes({ count: 3, budget: 4 * KiB * KiB }),
      file = join(folder, 'file'),
      policy = 'fail',
      /** Answers what is asked of chunks that go straight to the store. */
      direct = undefined as ((exchange: Exchange) => Promise<void>) | undefined,
      log = silent,
      limiter = undefined as Limiter | undefined,
    } = {},
  ) => {
    const store = Buffer.alloc(SIZE)
    const stored: Range[] = []
    const lengths: number[] = []
    const server = createServer((request, response) => {
      if (direct && request.method === 'POST') {
        const keep = (start: number, bytes: Buffer): void => {
          bytes.copy(store, start)
          stored.push({ start, end: start + bytes.length })
        }
        direct({ request, response, keep }).catch((error: unknown) => response.destroy(error as Error))
        return
      }
      if (request.method === 'GET') {
        if (!answersLooks()) request.socket.resetAndDestroy()
        else response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
        return
      }
      const range = parseContentRange(request.headers['content-range'] ?? '')
      const body = async (): Promise<Buffer> => Buffer.concat(await request.toArray())
      const put = { request, response, range, length: range.end - range.start, body }
      lengths.push(put.length)
      const handle = async (): Promise<void> => {
        if (!(await answer(put))) return
        const bytes = await body()
        expect(formatDigest(sha256Of(bytes))).toBe(request.headers['content-digest'])
        bytes.copy(store, range.start)
        stored.push({ start: range.start, end: range.end })
        response.writeHead(204).end()
      }
      handle().catch((error: unknown) => response.destroy(error as Error))
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')

    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const limited = limiter ? { limiter } : {}
    const retry = createRetry({ log })
    const state = await openState({ dir: join(folder, `state-${runs++}`), server: url, log })
    const limits = createChunkLimits({ cap: undefined, state, log })
    const source = await openSource({
      requested: null,
      policy,
      shared: { file, roots: [] },
    })
    const durable: Range[] = []
    const upload = createUpload({
      api: createApi({
        http: createHttp({ server: url, userAgent: 'test', ...limited }),
        retry,
        session: { session: '1.x' },
        onSessionEnd: () => undefined,
      }),
      retry,
      limits,
      patience: createPatience(),
      lanes,
      hashers,
      flow: fixedFlow(512 * KiB),
      algorithm: 'sha-256',
      compress: false,
      direct: direct !== undefined,
      storeHttp: createStoreHttp({ server: url, userAgent: 'test', proxyOf: () => undefined, ...limited }),
      log,
      source,
      target: {
        id: 'job',
        path: source.path,
        attempt: 1,
        size: SIZE,
        chunk: { min: 64 * KiB, max: 64 * KiB * KiB, preferred: 512 * KiB },
      },
      parallel,
      reread: true,
      signal: new AbortController().signal,
      onDurable: (ranges) => void durable.push(...ranges),
    })
    try {
      const result = await upload.sendMissing(received)
      return { result, store, stored, lengths, state, durable: union(durable), send: upload.send }
    } finally {
      await source.close()
      await state.flush()
    }
  }

  const end = async (): Promise<void> => {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
    await hashers.close()
    await remove()
  }

  return { folder, run, end }
}
