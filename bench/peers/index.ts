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
export function lineup(names: readonly PeerName[]): { taking: Peer[]; leftOut: string[] } {
  const wanted = peers.filter(({ name }) => names.includes(name))
  const leftOut = wanted.flatMap((peer) => {
    const reason = peer.lacks()
    return reason === undefined ? [] : [`${peer.name} (${reason})`]
  })
  return { taking: wanted.filter((peer) => peer.lacks() === undefined), leftOut }
}
