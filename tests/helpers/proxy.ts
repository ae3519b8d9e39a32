import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

/** A TCP proxy in front of a server, whose upstream direction can be held after a number of bytes. */
export interface Proxy {
  url: string
  /** Bytes that went from clients to the server. */
  sent(): number
  /** Lets `bytes` more through from now on, then holds; Infinity opens it. */
  allow(bytes: number): void
  /** Resolves once the proxy holds bytes back. */
  held(): Promise<void>
  /** Breaks every connection; new ones are taken. */
  cut(): void
  close(): Promise<void>
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const pairs = new Set<[Socket, Socket]>()
  let allowance = Infinity
  let sent = 0
  const waiting: (() => void)[] = []

  const server = createServer((inner) => {
    const outer = connect(Number(port), hostname)
    const pair: [Socket, Socket] = [inner, outer]
    pairs.add(pair)
    const end = (): void => {
      inner.destroy()
      outer.destroy()
      pairs.delete(pair)
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    outer.pipe(inner)
    inner.on('data', (data) => {
      sent += data.byteLength
      allowance -= data.byteLength
      outer.write(data)
      if (allowance > 0) return
      for (const [other] of pairs) other.pause()
      for (const resolve of waiting.splice(0)) resolve()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${address.port}`,
    sent: () => sent,
    allow(bytes) {
      allowance = bytes
      for (const [inner] of pairs) inner.resume()
    },
    held: () => (allowance <= 0 ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve))),
    cut() {
      for (const [inner, outer] of pairs) {
        inner.resetAndDestroy()
        outer.resetAndDestroy()
      }
    },
    async close() {
      for (const [inner, outer] of pairs) {
        inner.destroy()
        outer.destroy()
      }
      server.close()
      await once(server, 'close')
    },
  }
}
