import { join } from 'node:path'
import { startProcess, type Started } from '../processes.ts'
import { installPeers } from '../install.ts'
import { freePort } from './free-port.ts'
import { orStop, type Pair, type Peer } from './peer.ts'

const program = (name: string): string => join(import.meta.dirname, 'programs', `${name}.js`)

/** A peer made of two small programs of this folder, `NAME-server.js` and `NAME-client.js`. */
export function createProgramPeer({ name, title }: Pick<Peer, 'name' | 'title'>): Peer {
  return {
    name,
    title,
    lacks: installPeers,
    async start({ place, source, folder }) {
      const port = String(await freePort())
      const server = startProcess(
        [process.execPath, program(`${name}-server`), place.server.length > 0 ? '0.0.0.0' : '127.0.0.1', port, folder],
        { within: place.server },
      )
      await server.line((line) => line['ready'] === true)
      const client = startProcess([process.execPath, program(`${name}-client`), place.host.client, port, source], {
        within: place.client,
      })
      const pair = pairOf(server, client)
      return orStop(pair, async () => {
        await client.line((line) => line['ready'] === true)
        return pair
      })
    },
  }
}

/** A pair whose client sends when it is given a line, and then prints `seconds`. */
export function pairOf(server: Started, client: Started): Pair {
  return {
    server: server.pid,
    client: client.pid,
    async send() {
      client.go()
      return Number((await client.line((line) => 'seconds' in line))['seconds'])
    },
    async stop() {
      try {
        await client.stop()
      } finally {
        await server.stop()
      }
    },
  }
}
