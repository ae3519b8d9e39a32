import { describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createPatience } from '../../agent/patience.ts'
import { createRetry, TransientError, type RetryClock } from '../../agent/retry.ts'

const MINUTE = 60_000
const log = pino({ level: 'silent' })
const never = new AbortController().signal

/** Hours pass as soon as everybody waits for them. */
function fastClock() {
  let now = 0
  const pauses: { at: number; ms: number }[] = []
  const clock: RetryClock = {
    now: () => now,
    async pause(ms) {
      pauses.push({ at: now, ms })
      now += ms
    },
  }
  return { clock, pauses, now: () => now }
}

/** What an operation goes through while the server is away for `ms`. */
async function awayFor(ms: number, urgent: boolean, error: () => TransientError) {
  const fast = fastClock()
  const retry = createRetry({ log, clock: fast.clock })
  const operation = async (): Promise<string> => {
    if (fast.now() < ms) throw error()
    return 'answered'
  }
  const result = await retry.persist(operation, { what: 'try', signal: never, urgent: () => urgent })
  return { result, pauses: fast.pauses, lateMs: fast.now() - ms }
}

describe('retries', () => {
  const dead = (): TransientError => new TransientError('no answer', { unanswered: true })

  test('hours offline do not become hours of silence after the link is back: the back-off has a cap', async () => {
    for (let run = 0; run < 20; run += 1) {
      const { result, pauses, lateMs } = await awayFor(8 * 60 * MINUTE, false, dead)
      expect(result).toBe('answered')
      expect(lateMs).toBeLessThanOrEqual(MINUTE)
      expect(Math.max(...pauses.map(({ ms }) => ms))).toBeLessThanOrEqual(MINUTE)
    }
  })

  test('a server that says at once, and never answers, is not asked a thousand times', async () => {
    const { pauses } = await awayFor(60 * MINUTE, false, () => new TransientError('busy', { retryAfterMs: 0 }))
    expect(pauses.length).toBeLessThan(1000)
  })

  test('with a job under way the cap is 4 s for ten minutes, then 60 s', async () => {
    const { pauses, lateMs } = await awayFor(60 * MINUTE, true, dead)
    const early = pauses.filter(({ at }) => at < 10 * MINUTE)
    const late = pauses.filter(({ at }) => at >= 10 * MINUTE)
    expect(Math.max(...early.map(({ ms }) => ms))).toBeLessThanOrEqual(4000)
    expect(early.length).toBeGreaterThan((10 * MINUTE) / 4000)
    expect(Math.max(...late.map(({ ms }) => ms))).toBeGreaterThan(4000)
    expect(Math.max(...late.map(({ ms }) => ms))).toBeLessThanOrEqual(MINUTE)
    expect(lateMs).toBeLessThanOrEqual(MINUTE)
  })

  test('a watchdog hears of a dead line at least four times in its time, and of nothing once the wait is over', async () => {
    const fast = fastClock()
    const heardAt: number[] = []
    const notify = { watchdogMs: MINUTE, progress: () => void heardAt.push(fast.now()) }
    const retry = createRetry({ log, clock: fast.clock, notify })
    const operation = async (): Promise<string> => {
      if (fast.now() < 60 * MINUTE) throw new TransientError('busy', { retryAfterMs: 5 * MINUTE })
      return 'answered'
    }
    await retry.persist(operation, { what: 'try', signal: never, urgent: () => false })
    const gaps = heardAt.map((at, index) => at - (heardAt[index - 1] ?? 0))
    expect(Math.max(...gaps)).toBeLessThan(MINUTE / 4 + 1)
    expect(heardAt.at(-1)).toBe(fast.now())
  })

  test('the pauses are spread over the whole time up to the cap', async () => {
    const { pauses } = await awayFor(24 * 60 * MINUTE, false, dead)
    const late = pauses.slice(10).map(({ ms }) => ms)
    expect(late.filter((ms) => ms < 30_000).length / late.length).toBeGreaterThan(0.3)
    expect(late.filter((ms) => ms > 30_000).length / late.length).toBeGreaterThan(0.3)
  })

  test('who waits because nobody answered goes on as soon as another is answered after a silence', async () => {
    let now = 0
    const waiting: AbortSignal[] = []
    const clock: RetryClock = {
      now: () => now,
      pause: (_ms, signal) =>
        new Promise((resolve) => {
          waiting.push(signal)
          signal.addEventListener('abort', () => resolve(), { once: true })
        }),
    }
    const retry = createRetry({ log, clock })
    const options = { what: 'try', signal: never, urgent: () => true }
    let tries = 0
    const first = retry.persist(async () => {
      tries += 1
      if (tries === 1) throw dead()
      return tries
    }, options)
    await new Promise(setImmediate)
    expect(waiting).toHaveLength(1)
    now += 1000
    // A line on which others are answered all the time is not dead: nobody is roused.
    await retry.persist(async () => 'answered', options)
    expect(waiting[0]?.aborted).toBe(false)
    now += 60_000
    await retry.persist(async () => 'answered', options)
    expect(await first).toBe(2)
  })
})

describe('patience', () => {
  test('begins long, is short on a quick line, and long on a slow one', () => {
    const patience = createPatience()
    expect(patience.limit()).toBe(30_000)
    patience.answered(200)
    expect(patience.limit()).toBe(8_000)
    patience.answered(10_000)
    expect(patience.limit()).toBe(40_000)
    patience.answered(90_000)
    expect(patience.limit()).toBe(120_000)
    for (let chunk = 0; chunk < 50; chunk += 1) patience.answered(100)
    expect(patience.limit()).toBe(8_000)
  })

  test('connections that stall together double it once', () => {
    const patience = createPatience()
    patience.answered(200)
    for (let lane = 0; lane < 4; lane += 1) patience.stalled(8_000)
    expect(patience.limit()).toBe(16_000)
    patience.stalled(16_000)
    expect(patience.limit()).toBe(32_000)
    for (const stall of [32_000, 64_000, 120_000]) patience.stalled(stall)
    expect(patience.limit()).toBe(120_000)
  })

  test('a quick answer beside it does not take back what a slow connection has learned', () => {
    const patience = createPatience()
    for (let round = 0; round < 6; round += 1) {
      patience.stalled(patience.limit())
      patience.answered(200)
    }
    expect(patience.limit()).toBeGreaterThan(60_000)
  })
})
