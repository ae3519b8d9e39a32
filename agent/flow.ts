/**
 * How much is sent at once: learned from the line, so that no setting is needed for 1 Mbit/s or 1 Gbit/s. The number of
 * connections grows while that brings more bytes to the server and no queue stands before the line, and goes back where
 * it does not help. A chunk is what one connection carries in about a second.
 */
export interface Flow {
  /** Connections at once, over all jobs. */
  connections(): number
  /** Bytes of the next chunk of a job that has `remaining` bytes to send; to be asked once for each chunk. */
  nextLength(remaining: number): number
  /** What the line carries, in bytes per ms; 0 when it is not known yet. */
  rate(): number
  /** Bytes that a request hands to its connection at once. */
  sliceLength(): number
  /** A job begins: what was measured before it holds no more. */
  begin(): void
  /** So many bytes of a request's body have been taken by its connection. */
  moved(bytes: number): void
  /** A chunk of so many bytes of the file is durable; it took so many on the wire. */
  delivered(bytes: number, wireBytes: number): void
}

export interface FlowDeps {
  /** Bytes of all buffers together. */
  budget: number
  /** Whether every connection is in use: else their number says nothing. */
  busy: () => boolean
  onConnections: (count: number) => void
  /** The line's round trip when nothing waits before it, in ms, if it is known. */
  roundTripMs: () => number | undefined
  /** The round trip of this moment, in ms, if it can be told. */
  measureRoundTrip: () => Promise<number | undefined>
  /** Bytes of a chunk, where a limit has a reason of its own for them. */
  preferred?: () => number | undefined
  /** Monotonic ms. */
  now: () => number
}

const KiB = 1024
export const SMALLEST_CHUNK = 64 * KiB
const FIRST_CHUNK = 256 * KiB
/** A far server gets more at once, in bytes per ms of the round trip: between two chunks the connection rests for one. */
const FIRST_CHUNK_PER_MS = KiB
export const FIRST_CONNECTIONS = 4
const FEWEST = 2
const MOST = 64
const MOST_AT_FIRST = 20
/** The farther the server, the longer a connection takes to get going: at first one for so many ms of the round trip. */
const FIRST_PER_MS = 4
const USUAL_ROUND_TRIP_MS = 50
/** Below this round trip, in ms, one connection carries whatever the line gives. */
const NEAR_MS = 4
/** So much longer than usual, in ms, and a queue stands before the line. */
const QUEUE_MS = 25
const CHUNK_MS = 1000
/** A chunk takes at least so many round trips: after each the connection rests for one. */
const CHUNK_ROUND_TRIPS = 6
/** A connection that carries less, in bytes per ms, is better given up for the others. */
const WORTH_HAVING = 16
/** Twice the connections must bring this much more to be worth it. */
const WORTH = 1.25
/** How long what was found out is believed, in ms. */
const BELIEVED_MS = 10_000
const ROUND_MS = 100
const ROUND_TRIPS = 3
const SLICES_PER_ROUND = 24
const SLICE_MS = 10
const SMALLEST_SLICE = 16 * KiB
const LARGEST_SLICE = 1024 * KiB

export function createFlow({
  budget,
  busy,
  onConnections,
  roundTripMs,
  measureRoundTrip,
  preferred = () => undefined,
  now,
}: FlowDeps): Flow {
  /** Undefined before the first job: by then the round trip is known. */
  let connections: number | undefined
  /** Bytes per ms on the wire, smoothed; 0 before the first round. */
  let rate = 0
  /** Bytes of the file for each on the wire. */
  let density = 1
  let round = { at: 0, bytes: 0, slices: 0 }
  /** Chunks that were begun since the job began. */
  let chunks = 0
  /** The rate of the round before, with as many connections. */
  let last: number | undefined
  /** What the line gave before the number was raised, and what the number was. */
  let before: { connections: number; rate: number } | undefined
  let steadyUntil = 0
  let measuring = false
  /** The last chunks are small, and their connections rest often: what they carry says nothing of their number. */
  let ending = false

  const usualRoundTrip = (): number => roundTripMs() ?? USUAL_ROUND_TRIP_MS
  const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))

  const set = (count: number): number => {
    connections = count
    onConnections(count)
    last = undefined
    return count
  }

  const current = (): number =>
    connections ?? set(clamp(Math.round(usualRoundTrip() / FIRST_PER_MS), FIRST_CONNECTIONS, MOST_AT_FIRST))

  /** The first chunks are of different lengths: were they to end together, the line would rest for a round trip. */
  const spread = (): number => {
    const factor = chunks < current() ? 0.5 + chunks / current() : 1
    chunks += 1
    return factor
  }

  const stay = (): void => {
    before = undefined
    steadyUntil = now() + BELIEVED_MS
  }

  /** Unless a queue stands before the line: then it is full, and has been for other reasons than too few connections. */
  const grow = async (carried: number): Promise<void> => {
    measuring = true
    const ms = await measureRoundTrip()
    measuring = false
    if (ms !== undefined && ms > usualRoundTrip() + QUEUE_MS) return stay()
    before = { connections: current(), rate: carried }
    set(Math.min(MOST, current() * 2))
  }

  const judge = (carried: number): void => {
    // While connections get going, the rate grows by itself.
    const settled = last !== undefined && carried < WORTH * last
    last = carried
    if (!settled) return
    if (carried / current() < WORTH_HAVING && current() > FEWEST) {
      set(Math.max(FEWEST, Math.floor(current() / 2)))
      stay()
    } else if (before && carried < WORTH * before.rate) {
      set(before.connections)
      stay()
    } else if (current() < MOST) void grow(carried)
  }

  const endRound = (at: number): void => {
    const carried = round.bytes / (at - round.at)
    round = { at, bytes: 0, slices: 0 }
    rate = rate === 0 ? carried : (rate + carried) / 2
    if (busy() && !measuring && !ending && at >= steadyUntil && usualRoundTrip() >= NEAR_MS) judge(carried)
  }

  return {
    connections: current,
    nextLength(remaining) {
      const ms = Math.max(CHUNK_MS, CHUNK_ROUND_TRIPS * usualRoundTrip())
      const carried =
        rate === 0 ? Math.max(FIRST_CHUNK, FIRST_CHUNK_PER_MS * usualRoundTrip()) : (density * rate * ms) / current()
      // In the end the connections are to be done together.
      const share = remaining / current()
      ending = share < carried
      const fair = Math.min(preferred() ?? carried * spread(), budget / current(), share)
      return Math.max(SMALLEST_CHUNK, Math.floor(fair / SMALLEST_CHUNK) * SMALLEST_CHUNK)
    },
    rate: () => rate,
    sliceLength: () => clamp(Math.floor(rate * SLICE_MS), SMALLEST_SLICE, LARGEST_SLICE),
    begin() {
      round = { at: now(), bytes: 0, slices: 0 }
      last = undefined
      chunks = 0
    },
    moved(bytes) {
      round.bytes += bytes
      round.slices += 1
      const at = now()
      const longEnough = at - round.at >= Math.max(ROUND_MS, ROUND_TRIPS * usualRoundTrip())
      if (longEnough && round.slices >= SLICES_PER_ROUND) endRound(at)
    },
    delivered(bytes, wireBytes) {
      density += (bytes / wireBytes - density) / 4
    },
  }
}
