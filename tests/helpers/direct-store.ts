import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { DirectCommit, DirectRequest } from '../../shared/protocol.ts'
import { problem, type Exchange } from './uploading.ts'

const SIGNATURE = 'signed-for-nobody-else'

export interface DirectStore {
  url: string
  /** What the server answers an agent: where a chunk may go, and whether it has come. */
  direct(exchange: Exchange): Promise<void>
  /** Requests that came to the store, with their headers. */
  puts: IncomingMessage[]
  offers: DirectRequest[]
  commits: DirectCommit[]
  /** In every URL: to be seen by nobody. */
  secret: string
  close(): Promise<void>
}

export interface Behaviour {
  /** How the store answers a PUT instead of taking it; false to take it. */
  instead?: (put: { request: IncomingMessage; response: ServerResponse; count: number }) => boolean
  /** How the server answers instead. */
  serverInstead?: (asked: Exchange & { path: string }) => boolean
  /** Where chunks are said to go. */
  offered?: (url: string) => string
}

/** What a store and its server do, as far as an agent sees it, over real connections. */
export async function startDirectStore({
  instead,
  serverInstead,
  offered = (url) => url,
}: Behaviour = {}): Promise<DirectStore> {
  const objects = new Map<string, Buffer>()
  const puts: IncomingMessage[] = []
  const offers: DirectRequest[] = []
  const commits: DirectCommit[] = []

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    puts.push(request)
    if (instead?.({ request, response, count: puts.length })) return
    const body = Buffer.concat(await request.toArray())
    const md5 = createHash('md5').update(body).digest('base64')
    if (request.headers['content-md5'] !== md5) return refuse(response, 400, 'BadDigest')
    if (!request.url?.endsWith(SIGNATURE)) return refuse(response, 403, 'AccessDenied')
    objects.set(request.url.split('?')[0] ?? '', body)
    response.writeHead(200).end()
  }

  const server = createServer((request, response) => {
    take(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const answer = async (exchange: Exchange): Promise<void> => {
    const { request, response, keep } = exchange
    const body: unknown = JSON.parse(Buffer.concat(await request.toArray()).toString())
    const path = request.url ?? ''
    if (path.endsWith('/commit')) commits.push(body as DirectCommit)
    else offers.push(body as DirectRequest)
    if (serverInstead?.({ ...exchange, path })) return
    if (path.endsWith('/commit')) {
      const { tag, start } = body as DirectCommit
      const bytes = objects.get(`/${tag}`)
      if (!bytes) return problem(response, 400, 'digest-mismatch')
      keep(start, bytes)
      response.writeHead(204).end()
      return
    }
    const { md5, start, end } = body as DirectRequest
    const tag = randomUUID()
    const headers = { 'Content-Length': String(end - start), 'Content-MD5': md5, Authorization: 'never', Host: 'no' }
    const place = offered(`${url}/${tag}?X-Signature=${SIGNATURE}`)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ url: place, headers, tag, expires: new Date().toISOString() }))
  }

  return {
    url,
    direct: answer,
    puts,
    offers,
    commits,
    secret: SIGNATURE,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** As object stores refuse. */
export function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml', connection: 'close' })
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`)
}
