import { describe, expect, test } from '@jest/globals'
import type { Clock } from '../../agent/bucket.ts'
import type { Limiter } from '../../agent/limiter.ts'
import { createLimitedSite } from '../helpers/limited-site.ts'

const KiB = 1024
const SECOND = 1000

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
    const { clock, limiter, start, all } = createLimitedSite()
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
    const { clock, limiter, start } = createLimitedSite()
    const speed = { now: 20 * 125_000 }
    limiter.set({ share: 0.1 })
    start('a', 4, undefined, createLine(clock, speed))
    await clock.pass(120 * SECOND)
    speed.now = 2 * 125_000
    await clock.pass(400 * SECOND)
    expect(learned(limiter) / speed.now).toBeLessThan(1.5)
    speed.now = 20 * 125_000
    await clock.pass(300 * SECOND)
    expect(learned(limiter) / speed.now).toBeGreaterThan(0.7)
  })

  test('of small files alone: probes do not add up to more', async () => {
    const { clock, limiter, start, all } = createLimitedSite()
    const speed = { now: 8 * 125_000 }
    limiter.set({ share: 0.05 })
    start('a', 4, () => 2 * KiB, createLine(clock, speed))
    await clock.pass(300 * SECOND)
    expect(all() / 300 / speed.now).toBeLessThan(0.07)
  })
})
