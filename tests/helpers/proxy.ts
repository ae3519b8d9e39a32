import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

/** A TCP proxy in front of a server: the line to a site, with what can happen to a line. */
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
  /** The line is dead: connections stay open, and nothing passes, not even their end, until `mend`. */
  silence(): void
  mend(): void
  /** The router forgets its connections: nothing passes on those that are open, for ever. New ones work. */
  forget(): void
  /** Takes no connection, and breaks those that are open, until `welcome`. */
  refuse(): void
  welcome(): void
  /** Bytes per second for all connections together, each way; Infinity opens it. */
  slow(bytesPerSecond: number): void
  /** Flips a bit in the next `pieces` pieces of at least 1,000 bytes that go to the server. */
  damage(pieces: number): void
  /** Pieces that were damaged so far. */
  damaged(): number
  close(): Promise<void>
}

/** Something that is open or shut; whoever comes while it is shut waits. */
interface Gate {
  shut(): void
  open(): void
  isShut(): boolean
  passed(): Promise<void>
}

function createGate(): Gate {
  let waiting: PromiseWithResolvers<void> | undefined
  return {
    shut: () => void (waiting ??= Promise.withResolvers()),
    open() {
      waiting?.resolve()
      waiting = undefined
    },
    isShut: () => waiting !== undefined,
    passed: () => waiting?.promise ?? Promise.resolve(),
  }
}

/** A line that is never faster than its rate, in bytes per second. */
function createThrottle() {
  let rate = Infinity
  let freeAt = 0
  return {
    set: (bytesPerSecond: number) => void (rate = bytesPerSecond),
    async pass(bytes: number): Promise<void> {
      if (rate === Infinity) return
      const now = performance.now()
      freeAt = Math.max(now, freeAt) + (bytes / rate) * 1000
      await new Promise((resolve) => setTimeout(resolve, freeAt - now))
    },
  }
}

function drainedOrClosed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

/** A connection that was forgotten is never told of its end. */
const forever = new Promise<never>(() => undefined)

interface Pair {
  inner: Socket
  outer: Socket
  forgotten: boolean
}

/** @param target the server's URL @param random where to flip a bit, in [0, 1) */
export async function startProxy(target: string, { random = Math.random } = {}): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  const pairs = new Set<Pair>()
  const line = createGate()
  const budget = createGate()
  const upward = createThrottle()
  const downward = createThrottle()
  let allowance = Infinity
  let sent = 0
  let toDamage = 0
  let damaged = 0
  let refusing = false
  const waiting: (() => void)[] = []

  const flip = (piece: Buffer): void => {
    if (toDamage === 0 || piece.byteLength < 1000) return
    toDamage -= 1
    damaged += 1
    const at = Math.floor(random() * piece.byteLength)
    piece[at] = (piece[at] ?? 0) ^ (1 << Math.floor(random() * 8))
  }

  /** What goes to the server is counted, held back and damaged. */
  const countUp = (piece: Buffer): void => {
    sent += piece.byteLength
    allowance -= piece.byteLength
    flip(piece)
    if (allowance > 0) return
    budget.shut()
    for (const resolve of waiting.splice(0)) resolve()
  }

  const pump = async (pair: Pair, up: boolean): Promise<void> => {
    const [from, to] = up ? [pair.inner, pair.outer] : [pair.outer, pair.inner]
    for await (const piece of from as AsyncIterable<Buffer>) {
      await (up ? upward : downward).pass(piece.byteLength)
      if (up) await budget.passed()
      await line.passed()
      if (pair.forgotten) await forever
      if (to.destroyed) return
      if (up) countUp(piece)
      if (!to.write(piece)) await drainedOrClosed(to)
    }
    to.end()
  }

  /** The end of one side becomes the end of the other, if the line carries it. */
  const endOther = async (pair: Pair, other: Socket): Promise<void> => {
    await line.passed()
    if (pair.forgotten) return
    other.destroy()
    pairs.delete(pair)
  }

  const server = createServer((inner) => {
    if (refusing) {
      inner.resetAndDestroy()
      return
    }
    const outer = connect(Number(port), hostname)
    const pair: Pair = { inner, outer, forgotten: false }
    pairs.add(pair)
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      socket.on('error', () => undefined).on('close', () => void endOther(pair, other))
      socket.setNoDelay(true)
    }
    // Not before the server is reached: what nobody takes has not travelled.
    outer.once('connect', () => {
      for (const up of [true, false]) pump(pair, up).catch(() => undefined)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo

  const cut = (): void => {
    for (const { inner, outer } of pairs) {
      inner.resetAndDestroy()
      outer.resetAndDestroy()
    }
  }

  return {
    url: `http://127.0.0.1:${address.port}`,
    sent: () => sent,
    allow(bytes) {
      allowance = bytes
      if (bytes > 0) budget.open()
    },
    held: () => (budget.isShut() ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve))),
    cut,
    silence: line.shut,
    mend: line.open,
    forget() {
      for (const pair of pairs) pair.forgotten = true
    },
    refuse() {
      refusing = true
      cut()
    },
    welcome: () => void (refusing = false),
    slow(bytesPerSecond) {
      upward.set(bytesPerSecond)
      downward.set(bytesPerSecond)
    },
    damage: (pieces) => void (toDamage = pieces),
    damaged: () => damaged,
    async close() {
      for (const { inner, outer } of pairs) {
        inner.destroy()
        outer.destroy()
      }
      server.close()
      await once(server, 'close')
    },
  }
}
