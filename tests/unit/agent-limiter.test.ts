import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { createLimitedSite } from '../helpers/limited-site.ts'

const KiB = 1024
const SECOND = 1000
const never = new AbortController().signal
const rate = (mbit: number) => ({ rate: mbit * 125_000 })

describe('a limit', () => {
  test.each([0.008, 0.1, 2, 8, 100])('of %d Mbit/s is kept', async (mbit) => {
    const { clock, limiter, start, all } = createLimitedSite()
    limiter.set(rate(mbit))
    start('a', 4)
    await clock.pass(5 * SECOND)
    const before = all()
    await clock.pass(60 * SECOND)
    expect(Math.abs((all() - before) / (60 * mbit * 125_000) - 1)).toBeLessThan(0.04)
  })

  test('is exceeded in no second, not even after one in which nothing was sent', async () => {
    const { clock, limiter, start, given } = createLimitedSite()
    limiter.set(rate(2))
    await clock.pass(60 * SECOND)
    start('a', 4, () => 100 * KiB)
    await clock.pass(20 * SECOND)
    for (const { at } of given) {
      const second = given.filter((other) => other.at >= at && other.at < at + SECOND)
      expect(second.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(1.15 * 250_000)
    }
  })

  test.each([0.5, 8])('of %d Mbit/s is shared evenly by jobs, however many connections each has', async (mbit) => {
    const { clock, limiter, start, sent } = createLimitedSite()
    limiter.set(rate(mbit))
    start('many', 12)
    await clock.pass(10 * SECOND)
    start('one', 2)
    await clock.pass(60 * SECOND)
    const before = { many: sent('many'), one: sent('one') }
    await clock.pass(600 * SECOND)
    const ratio = (sent('many') - before.many) / (sent('one') - before.one)
    expect(ratio).toBeGreaterThan(0.7)
    expect(ratio).toBeLessThan(1.4)
  })

  test('that is raised wakes who sleeps, that is lowered counts at once', async () => {
    const { clock, limiter, start, all } = createLimitedSite()
    limiter.set({ rate: 1000 })
    start('a', 4, undefined, (bytes) => bytes / 10_000)
    await clock.pass(10 * SECOND)
    expect(all()).toBeLessThan(12_000)
    limiter.set({ rate: Number.POSITIVE_INFINITY })
    await clock.pass(50)
    expect(all()).toBeGreaterThan(100_000)
    await clock.pass(SECOND)
    expect(all()).toBeGreaterThan(5_000_000)
    const before = all()
    limiter.set(rate(2))
    await clock.pass(10 * SECOND)
    expect(all() - before).toBeLessThan(1.04 * 10 * 250_000)
  })

  test('leaves open only what gets through: the rest is cut, and sent in smaller pieces', async () => {
    const { clock, limiter, start, cuts, open, most, given } = createLimitedSite()
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

  test('never cuts what keeps to it', async () => {
    const limits = fc.oneof(
      fc.record({ rate: fc.oneof(fc.integer({ min: 1000, max: 100_000 }), fc.integer({ min: 1000, max: 2 ** 31 })) }),
      fc.record({ share: fc.double({ min: 0.01, max: 0.99, noNaN: true }) }),
    )
    await fc.assert(
      fc.asyncProperty(limits, async (limit) => {
        const { limiter } = createLimitedSite()
        limiter.set(limit)
        const upload = { bytes: limiter.chunk(), job: 'a', signal: never }
        const passes = await Promise.all(Array.from({ length: limiter.connections() }, () => limiter.admit(upload)))
        expect(passes.map(({ signal }) => signal.aborted)).not.toContain(true)
        expect(passes.length).toBeGreaterThanOrEqual(2)
      }),
    )
  })

  test('that what is open can live with cuts nothing', async () => {
    const { clock, limiter, start, cuts } = createLimitedSite()
    start('a', 4, undefined, (bytes) => bytes / 100)
    await clock.pass(100)
    limiter.set(rate(2))
    await clock.pass(60 * SECOND)
    expect(cuts).toEqual([])
  })

  test('off: what is open is cut, nothing is let in, and it goes on afterwards', async () => {
    const { clock, limiter, start, all, open, cuts } = createLimitedSite()
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

  test('what waited with more than passes in reasonable time is cut when it is let in', async () => {
    const { limiter } = createLimitedSite()
    limiter.set({ rate: 0 })
    const admitted = limiter.admit({ bytes: 4096 * KiB, job: 'a', signal: never })
    limiter.set({ rate: 1000 })
    const pass = await admitted
    expect(pass.signal.aborted).toBe(true)
    expect(await pass.take(1)).toBe(0)
    pass.leave(false)
    expect((await limiter.admit({ bytes: limiter.chunk(), job: 'a', signal: never })).signal.aborted).toBe(false)
  })

  test('lets nobody wait who gave up', async () => {
    const { clock, limiter } = createLimitedSite()
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
          const { clock, limiter, start, all } = createLimitedSite()
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
