import { InvalidArgumentError } from 'commander'
import { peers } from './peers/index.ts'
import type { PeerName } from './peers/peer.ts'

/** A whole number, 1 or more. */
export function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a whole number from 1 on.')
}

export const names: readonly PeerName[] = peers.map(({ name }) => name)

/** `tus,backhaul`. */
export function peerNames(text: string): PeerName[] {
  return text.split(',').map((given) => {
    const found = names.find((name) => name === given.trim())
    if (found) return found
    throw new InvalidArgumentError(`They are ${names.join(', ')}.`)
  })
}
