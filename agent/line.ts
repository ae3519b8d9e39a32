import { SLOWEST } from './bandwidth.ts'
import type { Carried } from './probe.ts'

/** What a probe told. */
export interface ProbeResult {
  /** Of the line, that the limit is. */
  share: number
  /** How long it was, in ms. */
  tookMs: number
  /** Nothing if it failed. */
  carried: Carried | undefined
}

/** What the line gives, learned from probes. */
export interface Line {
  /** Bytes per second; a guess until something is known. */
  speed(): number
  known(): boolean
  /** Whether it is time for a probe. */
  due(): boolean
  /** How long a probe should take, in s: many times as long as an answer. */
  probeSeconds(): number
  probed(result: ProbeResult): void
  /** While the line was not full, an answer came `ms` after the last bytes of its body were given to it. */
  answered(ms: number): void
}

/** In bytes per second: a slow line, which the first probe is not to fill for long. */
const GUESS = 128 * 1024
const EVERY_MS = 60_000
/** A probe tells of the line, and not of the way there and back, when it is this long in ms, and so many answers long. */
const LONG_MS = 300
const LONG_ANSWERS = 4
/** What differs from what was known by more than this factor either way is looked at again sooner. */
const NEWS = 1.2
/** The next probe comes after so many times what this one would have taken within the limit. */
const APART = 10
const APART_AT_NEWS = 4

/** @param now monotonic ms */
export function createLine({ now }: { now: () => number }): Line {
  let speed: number | undefined
  /** What the long probe before told. */
  let before = 0
  let nextAt = Number.NEGATIVE_INFINITY
  /** Of an answer, in ms: the way there and back, and the server's disk. */
  let usual = 0

  return {
    speed: () => speed ?? GUESS,
    known: () => speed !== undefined,
    due: () => now() >= nextAt,
    probeSeconds: () => Math.min(8, Math.max(2, (8 * usual) / 1000)),
    probed({ share, tookMs, carried }) {
      nextAt = now() + (APART_AT_NEWS * tookMs) / share
      if (!carried) return
      const { bytes, ms } = carried
      const long = ms >= Math.max(LONG_MS, LONG_ANSWERS * usual)
      const sending = long ? Math.max(ms - usual, ms / 2) : Math.max(ms, 1)
      const measured = Math.max(SLOWEST, (bytes / sending) * 1000)
      if (long && speed !== undefined && measured < NEWS * speed && measured * NEWS > speed)
        nextAt = now() + Math.max(EVERY_MS, (APART * tookMs) / share)
      // What a short one says, the line gives at least; and one that went badly says little.
      speed = Math.max(measured, long ? before : (speed ?? GUESS))
      if (long) before = measured
    },
    answered(ms) {
      usual = usual === 0 ? ms : 0.8 * usual + 0.2 * ms
    },
  }
}
