import type { Agent, ClientRequestArgs } from 'node:http'
import type { Duplex } from 'node:stream'

/** Connections that are opened before they are needed: the first chunks then need not wait for a handshake. */
export interface Warm {
  /** Opens up to `count` connections like the last one, which wait some seconds for a request. */
  open(count: number): void
  /** Opens one more, and measures its handshake. @returns ms, or undefined when it failed or could not be told */
  measure(): Promise<number | undefined>
  /** The fastest handshake (SYN to SYN-ACK) so far, in ms: a round trip. Undefined before the first. */
  roundTripMs(): number | undefined
}

const WAITING_MS = 5_000

/** @param agent a pool of direct connections, not by way of a proxy */
export function createWarm(agent: Agent): Warm {
  const connect = agent.createConnection.bind(agent)
  const waiting: Duplex[] = []
  /** How each that waits stops waiting. */
  const taken = new WeakMap<Duplex, () => void>()
  let known: ClientRequestArgs | undefined
  let fastest: number | undefined

  const connectNow = (
    options: ClientRequestArgs,
    callback?: Parameters<typeof connect>[1],
  ): Duplex | null | undefined => {
    const at = performance.now()
    const socket = connect(options, callback)
    socket?.once('connect', () => (fastest = Math.min(fastest ?? Number.POSITIVE_INFINITY, performance.now() - at)))
    return socket
  }

  /** Nobody is told of a failure here: the request that would have used it opens its own. */
  const openOne = (options: ClientRequestArgs): Duplex | undefined => {
    const socket = connectNow(options)
    if (!socket) return undefined
    const leave = (): void => {
      clearTimeout(timer)
      socket.off('error', leave)
      socket.off('close', leave)
      const at = waiting.indexOf(socket)
      if (at !== -1) waiting.splice(at, 1)
    }
    const timer = setTimeout(() => socket.destroy(), WAITING_MS).unref()
    socket.on('error', leave)
    socket.on('close', leave)
    taken.set(socket, leave)
    waiting.push(socket)
    return socket
  }

  agent.createConnection = (options, callback) => {
    known = options
    const socket = waiting[0]
    if (!socket || socket.destroyed) return connectNow(options, callback)
    taken.get(socket)?.()
    return socket
  }

  return {
    open(count) {
      if (!known) return
      for (let opened = waiting.length; opened < count; opened += 1) openOne(known)
    },
    measure: () =>
      new Promise((resolve) => {
        const at = performance.now()
        const socket = known && openOne(known)
        socket?.once('connect', () => resolve(performance.now() - at))
        socket?.once('close', () => resolve(undefined))
        if (!socket) resolve(undefined)
      }),
    roundTripMs: () => fastest,
  }
}
