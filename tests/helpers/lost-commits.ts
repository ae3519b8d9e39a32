import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A line to a PostgreSQL that breaks at the worst moment. */
export interface LostCommits {
  /** The database's URL over this line. */
  url: string
  /** The connection over which the next COMMIT goes breaks once that was carried out, and before anybody hears of it. */
  loseNext(): void
  /** How many were lost. */
  lost(): number
  close(): Promise<void>
}

export async function startLostCommits(database: string): Promise<LostCommits> {
  const { hostname, port } = new URL(database)
  const sockets = new Set<Socket>()
  let armed = false
  let lost = 0
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    let losing = false
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined).once('close', () => (near.destroy(), far.destroy(), sockets.delete(socket)))
    }
    near.on('data', (bytes) => {
      if (armed && bytes.includes('COMMIT\0')) {
        armed = false
        losing = true
      }
      far.write(bytes)
    })
    far.on('data', (bytes) => {
      if (losing) {
        lost += 1
        near.destroy()
      } else near.write(bytes)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = new URL(database)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: url.href,
    loseNext: () => void (armed = true),
    lost: () => lost,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
