import { backhaul } from './backhaul.ts'
import { nginx } from './nginx.ts'
import type { Peer, PeerName } from './peer.ts'
import { createProgramPeer } from './programs.ts'

/** In the order of a round. */
export const peers: readonly Peer[] = [
  createProgramPeer({ name: 'tus', title: 'tus-js-client → @tus/server' }),
  nginx,
  createProgramPeer({ name: 'ws', title: 'base64 in JSON over a WebSocket' }),
  backhaul,
]

/** Those that take part, and why others cannot. */
export function lineup(wanted: readonly PeerName[]): { taking: Peer[]; leftOut: string[] } {
  const taking: Peer[] = []
  const leftOut: string[] = []
  for (const peer of peers.filter(({ name }) => wanted.includes(name))) {
    const reason = peer.lacks()
    if (reason === undefined) taking.push(peer)
    else leftOut.push(`${peer.name} (${reason})`)
  }
  return { taking, leftOut }
}
