import type { Clock } from '../../agent/bucket.ts'
import { createLimiter, type Pass } from '../../agent/limiter.ts'

const KiB = 1024
const never = new AbortController().signal

/** A clock that goes only when it is told to, from one timer to the next. */
function createTestClock(): Clock & { pass(ms: number): Promise<void> } {
  const timers = new Set<{ at: number; run: () => void }>()
  let now = 1_000_000
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    async pass(ms) {
      const end = now + ms
      await settled()
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)
        if (!next) break
        timers.delete(next)
        now = next.at
        next.run()
        await settled()
      }
      now = end
    },
  }
}

/** Jobs that upload without end through a limiter, to a server that answers 50 ms after the last byte. */
export function createLimitedSite() {
  const clock = createTestClock()
  const limiter = createLimiter({ clock })
  const sent = new Map<string, number>()
  const given: { at: number; bytes: number }[] = []
  const cuts: string[] = []
  let open = 0
  let most = 0

  const drain = async (pass: Pass, job: string, bytes: number, sendMs: (bytes: number) => number): Promise<boolean> => {
    for (let left = bytes; left > 0;) {
      const taken = await pass.take(left)
      if (taken === 0) return false
      given.push({ at: clock.now(), bytes: taken })
      sent.set(job, (sent.get(job) ?? 0) + taken)
      left -= taken
      const ms = sendMs(taken)
      if (ms > 0) await new Promise<void>((resolve) => void clock.after(ms, resolve))
    }
    return true
  }

  /** Sends chunks for ever. @param sendMs how long the line is busy with so many bytes */
  const connection = async (job: string, length: () => number, sendMs: (bytes: number) => number = () => 0) => {
    for (;;) {
      const bytes = length()
      const pass = await limiter.admit({ bytes, job, signal: never })
      open += 1
      most = Math.max(most, open)
      const whole = await drain(pass, job, bytes, sendMs)
      if (whole) await new Promise<void>((resolve) => void clock.after(50, resolve))
      open -= 1
      if (pass.signal.aborted) cuts.push(job)
      pass.leave(whole)
    }
  }

  const start = (job: string, connections: number, length?: () => number, sendMs?: (bytes: number) => number): void => {
    for (let each = 0; each < connections; each += 1)
      void connection(job, length ?? (() => Math.min(4096 * KiB, limiter.chunk())), sendMs)
  }

  return {
    clock,
    limiter,
    sent: (job: string) => sent.get(job) ?? 0,
    all: () => given.reduce((sum, { bytes }) => sum + bytes, 0),
    given,
    cuts,
    open: () => open,
    most: () => most,
    start,
  }
}
