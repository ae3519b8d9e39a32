import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The way to a server on which answers get lost: what was asked is done, and whoever asked never hears of it. */
export interface ForgetfulWay {
  url: string
  /** `METHOD PATH` of every request whose answer was lost, in order. */
  lost(): string[]
  close(): Promise<void>
}

/** An answer that somebody on the way gives. */
export interface Instead {
  status: number
  headers?: Record<string, string>
  body: string
}

/**
 * @param loses whether the answer to this request, once it is whole, is lost
 * @param onAsked hears of a request before the server does
 * @param instead answers a request in the server's place, which then never hears of it
 */
export async function startForgetfulWay(
  target: string,
  loses: (asked: { method: string; path: string }) => boolean,
  onAsked: (asked: { method: string; path: string }) => void = () => undefined,
  instead: (asked: { method: string; path: string }) => Instead | undefined = () => undefined,
): Promise<ForgetfulWay> {
  const { hostname, port } = new URL(target)
  const lost: string[] = []

  const server = createServer((asked, answer) => {
    const { method = '', url: path = '', headers } = asked
    onAsked({ method, path })
    const made = instead({ method, path })
    if (made) {
      asked.resume().on('end', () => answer.writeHead(made.status, made.headers).end(made.body))
      return
    }
    const forwarded = request({ hostname, port, method, path, headers })
    forwarded.on('response', (response) => {
      if (!loses({ method, path })) {
        answer.writeHead(response.statusCode ?? 0, response.headers)
        response.pipe(answer)
        return
      }
      response.resume().on('end', () => {
        lost.push(`${method} ${path}`)
        asked.socket.resetAndDestroy()
      })
    })
    forwarded.on('error', () => asked.socket.destroy())
    answer.on('close', () => forwarded.destroy())
    asked.pipe(forwarded)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lost: () => [...lost],
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
