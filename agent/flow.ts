/**
 * How much is sent at once: learned from the line, so that no setting is needed for 1 Mbit/s or 1 Gbit/s. The number of
 * connections grows while that brings more bytes to the server, as one connection's window does in TCP's slow start, and
 * goes back where it does not. A chunk is what one connection carries in about a second.
 */
export interface Flow {
  /** Connections at once, over all jobs. */
  connections(): number
  /** Bytes of the next chunk of a job that has `remaining` bytes to send. */
  chunkLength(remaining: number): number
  /** A round trip was seen, in ms: the fastest one counts. */
  roundTrip(ms: number): void
  /** A chunk of so many bytes, decoded, is durable; it took so many on the wire. */
  delivered(bytes: number, wireBytes: number): void
}

export interface FlowDeps {
  /** Bytes of all buffers together. */
  budget: number
  /** Whether every connection is in use: else their number says nothing. */
  busy: () => boolean
  onConnections: (count: number) => void
  /** Monotonic ms. */
  now: () => number
}

const KiB = 1024
export const FIRST_CONNECTIONS = 8
const MOST = 64
const FEWEST = 2
const FIRST_CHUNK = 256 * KiB
const SMALLEST_CHUNK = 64 * KiB
const CHUNK_MS = 1000
/** A chunk takes at least so many round trips: after each the connection rests for one. */
const CHUNK_ROUND_TRIPS = 6
/** Twice the connections must bring this much more to be worth it. */
const WORTH = 1.25
/** Below this round trip, in ms, one connection carries whatever the line gives. */
const NEAR_MS = 4
/** How long what was found out is believed, in ms. */
const BELIEVED_MS = 10_000
const ROUND_MS = 150

export function createFlow({ budget, busy, onConnections, now }: FlowDeps): Flow {
  let connections = FIRST_CONNECTIONS
  let roundTripMs = 50
  let known = false
  /** Bytes per ms, of the file and on the wire, in the last round. */
  let rate: number | undefined
  let wireRate = 0
  let round = { at: now(), bytes: 0, wire: 0, chunks: 0 }
  /** What the line gave before the last change of the number, and what the number was. */
  let before: { connections: number; rate: number } | undefined
  let steadyUntil = 0
  let ceiling = MOST

  const set = (count: number): void => {
    const next = Math.max(FEWEST, Math.min(count, ceiling))
    if (next === connections) return
    connections = next
    onConnections(next)
  }

  const judge = (at: number): void => {
    const { bytes, wire } = round
    const ms = at - round.at
    rate = bytes / ms
    wireRate = wire / ms
    round = { at, bytes: 0, wire: 0, chunks: 0 }
    if (!busy() || at < steadyUntil || roundTripMs < NEAR_MS) return
    if (!before || wireRate > WORTH * before.rate) {
      before = { connections, rate: wireRate }
      set(connections * 2)
      return
    }
    // No more came of it: back to what was enough.
    set(before.connections)
    before = undefined
    steadyUntil = at + BELIEVED_MS
  }

  return {
    connections: () => connections,
    chunkLength(remaining) {
      const ms = Math.max(CHUNK_MS, CHUNK_ROUND_TRIPS * roundTripMs)
      const carried = rate === undefined ? FIRST_CHUNK : (rate / connections) * ms
      // In the end the connections are to be done together.
      const fair = Math.min(carried, budget / connections, remaining / connections)
      return Math.max(SMALLEST_CHUNK, Math.floor(fair / SMALLEST_CHUNK) * SMALLEST_CHUNK)
    },
    roundTrip(ms) {
      roundTripMs = known ? Math.min(roundTripMs, ms) : ms
      known = true
    },
    delivered(bytes, wireBytes) {
      const at = now()
      round.bytes += bytes
      round.wire += wireBytes
      round.chunks += 1
      if (round.chunks >= connections && at - round.at >= Math.max(ROUND_MS, 2 * roundTripMs)) judge(at)
    },
  }
}
