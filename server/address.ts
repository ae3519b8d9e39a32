import { BlockList, isIPv6 } from 'node:net'
import type { Config } from './config.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether nobody has to say who they are: only this machine reaches the address that is bound, and nothing on it passes
 * others on. Never by the caller's address, which is this machine's for everybody who comes by way of a proxy on it.
 */
export function isOpen(address: string, { auth, trustProxy }: Pick<Config, 'auth' | 'trustProxy'>): boolean {
  return auth === 'auto' && trustProxy === 0 && isLoopback(address)
}

/** @param address of IPv4 or IPv6 */
export function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

const GROUPS = 8
const GROUPS_OF_NETWORK = 4

/** Whoever has one address of IPv6 has a whole network of them, a /64. An address of IPv4 is its own. */
export function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address
  const [before = [], after = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const left = Array<string>(GROUPS - before.length - after.length).fill('0')
  const groups = [...before, ...left, ...after].slice(0, GROUPS_OF_NETWORK)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::`
}
