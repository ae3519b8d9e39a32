import { SLOWEST } from './bandwidth.ts'

/** A moment in which nothing was held back. */
export interface ProbeResult {
  /** That were open when it began, and were sent. */
  bytes: number
  /** Until the server had answered to all of it. */
  ms: number
  /** Of the line, that the limit is. */
  share: number
  /** Whether all of it was answered: else it tells nothing. */
  whole: boolean
}

/** What the line gives, learned from probes. */
export interface Line {
  /** Bytes per second; a guess until something is known. */
  speed(): number
  known(): boolean
  /** Whether it is time for a probe. */
  due(): boolean
  probed(result: ProbeResult): void
  /** While the line was not full, an answer came `ms` after the last bytes of its body were given to it. */
  answered(ms: number): void
}

/** In bytes per second: a slow line, which the first probe is not to fill for long. */
const GUESS = 128 * 1024
const EVERY_MS = 60_000
/** A probe this short, in ms, tells more of the way there and back than of the line. */
const SHORT_MS = 300
/** The next probe comes after so many times what this one would have taken within the limit: they add a tenth to it. */
const APART = 10

/** @param now monotonic ms */
export function createLine({ now }: { now: () => number }): Line {
  let speed: number | undefined
  let nextAt = Number.NEGATIVE_INFINITY
  /** Of an answer, in ms: the way there and back, and the server's disk. */
  let usual = 0

  return {
    speed: () => speed ?? GUESS,
    known: () => speed !== undefined,
    due: () => now() >= nextAt,
    probed({ bytes, ms, share, whole }) {
      const long = ms >= SHORT_MS && whole
      nextAt = now() + Math.max(long ? EVERY_MS : 0, (APART * ms) / share)
      if (!whole) return
      const sending = long ? Math.max(ms - usual, ms / 2) : Math.max(ms, 1)
      const measured = Math.max(SLOWEST, (bytes / sending) * 1000)
      // The line gives that at least; how much more, a short one does not tell.
      speed = long ? measured : Math.max(speed ?? GUESS, measured)
    },
    answered(ms) {
      usual = usual === 0 ? ms : 0.8 * usual + 0.2 * ms
    },
  }
}
