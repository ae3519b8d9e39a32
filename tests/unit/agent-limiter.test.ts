import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import type { Clock } from '../../agent/bucket.ts'
import { createLimiter, type Limiter, type Pass } from '../../agent/limiter.ts'

const KiB = 1024
const SECOND = 1000
const never = new AbortController().signal
const rate = (mbit: number) => ({ rate: mbit * 125_000 })

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

/** Uploads of one job, one after the other on each connection, to a server that answers after a time. */
function createSite() {
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

describe('a limit', () => {
  test.each([0.008, 0.1, 2, 8, 100])('of %d Mbit/s is kept', async (mbit) => {
    const { clock, limiter, start, all } = createSite()
    limiter.set(rate(mbit))
    start('a', 4)
    await clock.pass(5 * SECOND)
    const before = all()
    await clock.pass(60 * SECOND)
    expect(Math.abs((all() - before) / (60 * mbit * 125_000) - 1)).toBeLessThan(0.04)
  })

  test('is exceeded in no second, not even after one in which nothing was sent', async () => {
    const { clock, limiter, start, given } = createSite()
    limiter.set(rate(2))
    await clock.pass(60 * SECOND)
    start('a', 4, () => 100 * KiB)
    await clock.pass(20 * SECOND)
    for (const { at } of given) {
      const second = given.filter((other) => other.at >= at && other.at < at + SECOND)
      expect(second.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(1.15 * 250_000)
    }
  })

  test('is shared evenly by jobs, however many connections each has', async () => {
    const { clock, limiter, start, sent } = createSite()
    limiter.set(rate(8))
    start('many', 12)
    await clock.pass(10 * SECOND)
    start('one', 2)
    await clock.pass(20 * SECOND)
    const before = { many: sent('many'), one: sent('one') }
    await clock.pass(60 * SECOND)
    const ratio = (sent('many') - before.many) / (sent('one') - before.one)
    expect(ratio).toBeGreaterThan(0.7)
    expect(ratio).toBeLessThan(1.4)
  })

  test('that is raised wakes who sleeps, that is lowered counts at once', async () => {
    const { clock, limiter, start, all } = createSite()
    limiter.set({ rate: 1000 })
    start('a', 4, undefined, (bytes) => bytes / 10_000)
    await clock.pass(10 * SECOND)
    expect(all()).toBeLessThan(12_000)
    limiter.set({ rate: Number.POSITIVE_INFINITY })
    await clock.pass(SECOND)
    expect(all()).toBeGreaterThan(5_000_000)
    const before = all()
    limiter.set(rate(2))
    await clock.pass(10 * SECOND)
    expect(all() - before).toBeLessThan(1.04 * 10 * 250_000)
  })

  test('leaves open only what gets through: the rest is cut, and sent in smaller pieces', async () => {
    const { clock, limiter, start, cuts, open, most, given } = createSite()
    start('a', 16, undefined, (bytes) => bytes / 1000)
    await clock.pass(100)
    expect(open()).toBe(16)
    limiter.set({ rate: 1000 })
    await clock.pass(SECOND)
    expect(cuts).toHaveLength(16)
    expect(open()).toBe(2)
    expect(limiter.chunk()).toBe(64 * KiB)
    // Each of them moves.
    const from = given.length
    await clock.pass(10 * SECOND)
    expect(given.length - from).toBeGreaterThan(8)
    expect(most()).toBe(16)
  })

  test('that what is open can live with cuts nothing', async () => {
    const { clock, limiter, start, cuts } = createSite()
    start('a', 4, undefined, (bytes) => bytes / 100)
    await clock.pass(100)
    limiter.set(rate(2))
    await clock.pass(60 * SECOND)
    expect(cuts).toEqual([])
  })

  test('off: what is open is cut, nothing is let in, and it goes on afterwards', async () => {
    const { clock, limiter, start, all, open, cuts } = createSite()
    limiter.set(rate(8))
    start('a', 4)
    await clock.pass(SECOND)
    limiter.set({ rate: 0 })
    await clock.pass(100)
    const before = all()
    await clock.pass(3600 * SECOND)
    expect([all(), open(), cuts.length]).toEqual([before, 0, 4])
    limiter.set(rate(8))
    await clock.pass(SECOND)
    expect(all() - before).toBeGreaterThan(900_000)
  })

  test('lets nobody wait who gave up', async () => {
    const { clock, limiter } = createSite()
    limiter.set({ rate: 0 })
    const abort = new AbortController()
    const waiting = limiter.admit({ bytes: 1, job: 'a', signal: abort.signal })
    abort.abort(new Error('cancelled'))
    await expect(waiting).rejects.toThrow('cancelled')
    await expect(limiter.admit({ bytes: 1, job: 'a', signal: abort.signal })).rejects.toThrow('cancelled')
    limiter.set({ rate: 1000 })
    const pass = await limiter.admit({ bytes: 5000, job: 'a', signal: never })
    expect(await pass.take(5000)).toBe(1024)
    const held = pass.take(3976)
    pass.leave(false)
    pass.leave(false)
    expect(await held).toBe(0)
    await clock.pass(SECOND)
    expect(await pass.take(1)).toBe(0)
  })

  test('whatever it is changed to, and whenever: never more is sent than the limits allow', async () => {
    const change = fc.record({
      limit: fc.constantFrom({ rate: 0 }, { rate: 1000 }, { rate: 20_000 }, rate(2), rate(50)),
      ms: fc.integer({ min: 1, max: 20_000 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 12 }),
        fc.integer({ min: 1, max: 16 }),
        async (changes, connections) => {
          const { clock, limiter, start, all } = createSite()
          limiter.set({ rate: 0 })
          start('a', connections)
          start('b', 1)
          for (const { limit, ms } of changes) {
            const before = all()
            limiter.set(limit)
            await clock.pass(ms)
            // A fifth of a second at first, and a slice that was due.
            expect(all() - before).toBeLessThanOrEqual(limit.rate * (ms / 1000 + 0.2) + (limit.rate > 0 ? 1024 : 0))
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})

describe('a share of the line', () => {
  /** A line that all connections share, in bytes per second. */
  const createLine = (clock: Clock, speed: { now: number }) => {
    let freeAt = 0
    return (bytes: number): number => {
      freeAt = Math.max(freeAt, clock.now()) + (bytes / speed.now) * 1000
      return freeAt - clock.now()
    }
  }

  const learned = (limiter: Limiter): number => limiter.line() ?? 0

  test.each([0.5, 2, 20, 200])('of %d Mbit/s, which is learned and kept', async (mbit) => {
    const { clock, limiter, start, all } = createSite()
    const speed = { now: mbit * 125_000 }
    limiter.set({ share: 0.3 })
    expect(limiter.line()).toBeUndefined()
    start('a', 4, undefined, createLine(clock, speed))
    await clock.pass(120 * SECOND)
    expect(learned(limiter) / speed.now).toBeGreaterThan(0.75)
    expect(learned(limiter) / speed.now).toBeLessThan(1.25)
    const before = all()
    await clock.pass(600 * SECOND)
    const share = (all() - before) / 600 / speed.now
    expect(share).toBeGreaterThan(0.22)
    expect(share).toBeLessThan(0.4)
  })

  test('of a line that gets slower, and faster again', async () => {
    const { clock, limiter, start } = createSite()
    const speed = { now: 20 * 125_000 }
    limiter.set({ share: 0.1 })
    start('a', 4, undefined, createLine(clock, speed))
    await clock.pass(120 * SECOND)
    speed.now = 2 * 125_000
    await clock.pass(180 * SECOND)
    expect(learned(limiter) / speed.now).toBeLessThan(1.3)
    speed.now = 20 * 125_000
    await clock.pass(300 * SECOND)
    expect(learned(limiter) / speed.now).toBeGreaterThan(0.7)
  })

  test('of small files alone: probes do not add up to more', async () => {
    const { clock, limiter, start, all } = createSite()
    const speed = { now: 8 * 125_000 }
    limiter.set({ share: 0.05 })
    start('a', 4, () => 2 * KiB, createLine(clock, speed))
    await clock.pass(300 * SECOND)
    expect(all() / 300 / speed.now).toBeLessThan(0.07)
  })
})
