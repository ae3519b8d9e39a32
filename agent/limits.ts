import { formatBytes } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import type { Session } from '../shared/protocol.ts'
import type { State } from './state.ts'

/** How large a chunk may be: what the user, the server, whatever is on the way and the bandwidth limit allow. */
export interface ChunkLimits {
  /** Bytes of the largest chunk, at least 1. */
  most(chunk: Session['chunk']): number
  /** A body of `sent` bytes was too large for the server, which takes `allowed`. @returns whether a smaller one can be tried */
  limitedTo(allowed: number, sent: number): boolean
  /** A body of `sent` bytes was too large for something on the way. @returns whether a smaller one can be tried */
  tooLarge(sent: number): boolean
  /** A body of `sent` bytes was cut off twice. @returns whether it is worth trying a smaller one */
  suspect(sent: number): boolean
  /** A body of `sent` bytes, as it was on the wire, came through. */
  accepted(sent: number): void
}

const KiB = 1024
const SMALLEST = 64 * KiB
/** However much a server takes: what is cut off is sent again, and a chunk is in memory as a whole. */
const LARGEST = 8 * KiB * KiB

/** @param cap the user's own limit in bytes @param passing what passes in reasonable time now, in bytes */
export function createChunkLimits({
  cap,
  passing = () => Number.POSITIVE_INFINITY,
  state,
  log,
}: {
  cap: number | undefined
  passing?: () => number
  state: State
  log: Log
}): ChunkLimits {
  let ceiling = state.ceiling() ?? Number.POSITIVE_INFINITY
  let remembered = ceiling
  let serverLimit = Number.POSITIVE_INFINITY
  /** The largest body that came through: whatever cuts off smaller ones is no limit on size. */
  let proven = 0

  /** What is remembered holds for a while, and then is asked for again, in an agent that runs on as in a new one. */
  const current = (): number => {
    if (remembered < Number.POSITIVE_INFINITY && state.ceiling() === undefined) {
      ceiling = Number.POSITIVE_INFINITY
      remembered = ceiling
    }
    return ceiling
  }

  const halve = (sent: number): boolean => {
    if (sent <= SMALLEST) return false
    ceiling = Math.min(ceiling, Math.max(SMALLEST, Math.floor(sent / 2)))
    log.warn({ ceiling }, `something on the way refuses bodies of ${formatBytes(sent)}; trying ${formatBytes(ceiling)}`)
    return true
  }

  return {
    most: ({ max }) => Math.max(1, Math.min(max, LARGEST, cap ?? LARGEST, current(), serverLimit, passing())),
    limitedTo(allowed, sent) {
      if (allowed < 1 || allowed >= sent) return halve(sent)
      serverLimit = Math.min(serverLimit, allowed)
      return true
    },
    tooLarge: halve,
    suspect: (sent) => sent > proven && halve(sent),
    accepted(sent) {
      proven = Math.max(proven, sent)
      // Only now is it known that the ceiling is one, and not some other trouble.
      if (ceiling >= remembered || sent > ceiling) return
      remembered = ceiling
      void state.rememberCeiling(ceiling)
    },
  }
}
