import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'

export interface StatusServer {
  close(): void
}

/**
 * Serves `GET /status` on loopback, for people and scripts on the agent's own machine. A port that cannot be had is a
 * warning, no more.
 * @param port 0 for any free one
 */
export async function serveStatus({
  port,
  status,
  log,
}: {
  port: number
  status: () => unknown
  log: Log
}): Promise<StatusServer> {
  const server = createServer((request, response) => {
    const reply = (code: number, body: unknown, headers = {}): void => {
      response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
      response.end(`${JSON.stringify(body)}\n`)
    }
    if (request.url?.split('?')[0] !== '/status') return reply(404, { error: 'There is only GET /status here.' })
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return reply(405, { error: 'Use GET.' }, { allow: 'GET, HEAD' })
    reply(200, status())
  })
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    const { port: bound } = server.address() as AddressInfo
    server.on('error', (error) => log.warn({ port: bound }, `GET /status: ${messageOf(error)}`))
    log.info({ port: bound }, `status on http://127.0.0.1:${bound}/status`)
  } catch (error) {
    log.warn({ port }, `no GET /status: ${messageOf(error)}. Choose another port with --port, or --port off`)
  }
  return {
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
