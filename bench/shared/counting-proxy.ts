import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What an object store is asked for. */
export interface Requests {
  put: number
  get: number
  /** Copies within the store. */
  copy: number
  /** Uploads in parts, lists, heads and removals. */
  other: number
}

/** A way to an object store on which its requests are counted. */
export interface CountingProxy {
  url: string
  counts(): Requests
  close(): void
}

export async function startCountingProxy(store: string): Promise<CountingProxy> {
  const target = new URL(store)
  const agent = new Agent({ keepAlive: true })
  const counts: Requests = { put: 0, get: 0, copy: 0, other: 0 }
  const server = createServer((incoming, answer) => {
    counts[kindOf(incoming)] += 1
    const { method, url: path, rawHeaders: headers } = incoming
    // The headers as they are, Host too: they are signed.
    const onward = request(
      { agent, host: target.hostname, port: target.port, method, path, headers, setHost: false },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.rawHeaders)
        response.pipe(answer)
      },
    )
    onward.on('error', () => answer.destroy())
    answer.on('close', () => {
      if (!answer.writableFinished) onward.destroy()
    })
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => ({ ...counts }),
    close() {
      server.closeAllConnections()
      server.close()
      agent.destroy()
    },
  }
}

/** What a request is, by its method and what else tells it. */
export function kindOf({
  method,
  url = '',
  headers,
}: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): keyof Requests {
  if (headers['x-amz-copy-source'] !== undefined) return 'copy'
  if (method === 'PUT') return 'put'
  return method === 'GET' && !/[?&](list-type|uploads|uploadId)\b/.test(url) ? 'get' : 'other'
}
