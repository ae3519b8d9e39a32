import { once } from 'node:events'
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'

/** What stands before an object store that heeds headers which nobody signed, as docs/direct-uploads.md asks for. */
export interface StoreGuard {
  url: string
  close(): Promise<void>
}

/** @param target the store's URL */
export async function startStoreGuard(target: string): Promise<StoreGuard> {
  const { hostname, port } = new URL(target)

  const pass = (asked: IncomingMessage, answered: ServerResponse): void => {
    if (asked.headers['x-amz-copy-source'] !== undefined) {
      // Its body first: a connection that ends before may take the answer with it.
      asked.resume().once('end', () => answered.writeHead(403).end())
      return
    }
    const { method, url, headers } = asked
    // The name in Host is signed, and stays. A connection for each: one that was kept may just end.
    const passed = send({ hostname, port, method, path: url, headers, agent: false }, (answer) => {
      // Who asked may be gone.
      if (answered.destroyed) {
        answer.destroy()
        return
      }
      answered.writeHead(answer.statusCode ?? 502, answer.headers)
      pipeline(answer, answered, () => undefined)
    })
    passed.on('error', () => answered.destroy())
    pipeline(asked, passed, () => undefined)
  }

  const server = createServer(pass)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
