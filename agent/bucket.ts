/** Time, so that tests need not wait. */
export interface Clock {
  /** Monotonic ms. */
  now(): number
  /** Calls `run` after `ms`. @returns a function that calls it off */
  after(ms: number, run: () => void): () => void
}

export const realClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

/** Those who share one turn: a job, however many connections it has. */
export interface Group {
  /** When it was served last, as a count. */
  served: number
}

/** A token bucket, whose tokens are bytes. */
export interface Bucket {
  /** Bytes per second from now on, `Infinity` for no limit, 0 for none at all; whoever waits is looked at again. */
  setRate(rate: number): void
  /** Bytes that are given at once at most. */
  slice(): number
  /** As soon as some may be sent, how many of `wanted` bytes, at least 1; 0 when the signal aborted first. */
  take(wanted: number, group: Group, signal: AbortSignal): Promise<number>
}

interface Waiter {
  wanted: number
  group: Group
  give: (bytes: number) => void
}

const LARGEST_SLICE = 256 * 1024
const SMALLEST_SLICE = 1024
const SLICES_PER_SECOND = 50
/** What was not used for this long, in ms, is lost: there are no long bursts. */
const BURST_MS = 100

/** @param clock for tests */
export function createBucket({ clock }: { clock: Clock }): Bucket {
  const waiting = new Set<Waiter>()
  let rate = Number.POSITIVE_INFINITY
  /** When the next slice is due: monotonic ms. */
  let due = 0
  let turn = 0
  let callOff: (() => void) | undefined

  const slice = (): number => Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, Math.floor(rate / SLICES_PER_SECOND)))

  /** Jobs take turns, and within a job its connections. */
  const next = (): Waiter | undefined => {
    let first: Waiter | undefined
    for (const waiter of waiting) if (!first || waiter.group.served < first.group.served) first = waiter
    return first
  }

  const serve = (waiter: Waiter): void => {
    waiting.delete(waiter)
    const bytes = Math.min(waiter.wanted, slice())
    due = Math.max(due, clock.now() - BURST_MS) + (bytes / rate) * 1000
    turn += 1
    waiter.group.served = turn
    waiter.give(bytes)
  }

  const serveDue = (): void => {
    callOff?.()
    callOff = undefined
    if (rate === 0) return
    for (let waiter = next(); waiter; waiter = next()) {
      const early = due - clock.now()
      if (early > 0) {
        callOff = clock.after(Math.ceil(early), serveDue)
        return
      }
      serve(waiter)
    }
  }

  return {
    slice,
    setRate(bytesPerSecond) {
      rate = bytesPerSecond
      // What was sent under another rate is no debt, and no credit.
      due = clock.now()
      serveDue()
    },
    take: (wanted, group, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve(0)
        const leave = (): void => {
          waiting.delete(waiter)
          resolve(0)
        }
        const waiter: Waiter = {
          wanted,
          group,
          give(bytes) {
            signal.removeEventListener('abort', leave)
            resolve(bytes)
          },
        }
        signal.addEventListener('abort', leave, { once: true })
        waiting.add(waiter)
        serveDue()
      }),
  }
}
