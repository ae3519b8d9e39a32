import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createCrew } from '../../agent/crew.ts'
import { createLanes, type Lane } from '../../agent/lanes.ts'
import { createChunkLimits } from '../../agent/limits.ts'
import { createPace } from '../../agent/pace.ts'
import { openState, type State } from '../../agent/state.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const log = pino({ level: 'silent' })
const never = new AbortController().signal
let folder: string
let remove: () => Promise<void>
const states: State[] = []

beforeAll(async () => ({ folder, remove } = await temporaryFolder()))
afterAll(async () => {
  await Promise.all(states.map((state) => state.flush()))
  await remove()
})
const newState = async (): Promise<State> => {
  const state = await openState({ dir: join(folder, `state-${states.length}`), server: 'http://server', log })
  states.push(state)
  return state
}

describe('lanes', () => {
  const KiB = 1024

  test('never more than allowed, first come, first served', async () => {
    const lanes = createLanes({ count: 2, budget: 1024 * KiB })
    const one = await lanes.acquire(KiB, never)
    const two = await lanes.acquire(KiB, never)
    const order: string[] = []
    const third = lanes.acquire(KiB, never).then((lane) => (order.push('third'), lane))
    const fourth = lanes.acquire(KiB, never).then((lane) => (order.push('fourth'), lane))
    expect(lanes.busy()).toBe(true)
    one.release()
    one.release()
    await third
    expect(order).toEqual(['third'])
    lanes.resize(3)
    await fourth
    expect(order).toEqual(['third', 'fourth'])
    two.release()
    expect(lanes.busy()).toBe(false)
  })

  test('never more memory than allowed, and no two in the same place', async () => {
    const lanes = createLanes({ count: 100, budget: 1024 * KiB })
    const large = await lanes.acquire(700 * KiB, never)
    const small = await lanes.acquire(100 * KiB + 1, never)
    expect(large.bytes.length).toBe(700 * KiB)
    const { buffer, byteOffset, length } = large.bytes
    expect(small.bytes.buffer).toBe(buffer)
    expect(small.bytes.byteOffset).toBeGreaterThanOrEqual(byteOffset + length)
    let third: Lane | undefined
    const waiting = lanes.acquire(600 * KiB, never).then((lane) => (third = lane))
    // One that would fit does not pass the one that waits for more room.
    const fourth = lanes.acquire(KiB, never)
    small.release()
    await Promise.resolve()
    expect(third).toBeUndefined()
    large.release()
    await waiting
    expect((await fourth).bytes.length).toBe(KiB)
    await expect(lanes.acquire(1024 * KiB + 1, never)).rejects.toThrow('no lane')
  })

  test('a buffer that somebody still reads is not given to others', async () => {
    const lanes = createLanes({ count: 1, budget: 64 * KiB })
    const reader = Promise.withResolvers<void>()
    const lane = await lanes.acquire(KiB, never)
    lane.keepUntil(reader.promise)
    lane.release()
    expect(lanes.busy()).toBe(true)
    reader.resolve()
    await lanes.acquire(KiB, never)
  })

  test('who gave up waiting takes none', async () => {
    const lanes = createLanes({ count: 1, budget: 64 * KiB })
    const lane = await lanes.acquire(1, never)
    const abort = new AbortController()
    const waiting = lanes.acquire(1, abort.signal)
    abort.abort(new Error('gave up'))
    await expect(waiting).rejects.toThrow('gave up')
    lane.release()
    await lanes.acquire(1, never)
  })
})

describe('crew', () => {
  test('the first failure aborts the others and is thrown once all have ended', async () => {
    const crew = createCrew({ limit: 2, signal: never })
    let ended = false
    crew.start(
      () =>
        new Promise((resolve) => {
          crew.signal.addEventListener('abort', () => {
            ended = true
            resolve()
          })
        }),
    )
    crew.start(() => Promise.reject(new Error('first')))
    await expect(crew.finish()).rejects.toThrow('first')
    expect(ended).toBe(true)
    await expect(crew.room()).rejects.toThrow('first')
  })
})

describe('pace of polls', () => {
  const pace = async (longest = 25) => createPace({ longest, state: await newState(), log })

  test('two cuts at about one age shorten the wait to 0.8 of it; others do not', async () => {
    const polls = await pace()
    polls.cut(20_000)
    polls.cut(12_000)
    polls.cut(200)
    expect(polls.seconds()).toBe(25)
    polls.cut(12_300)
    expect(polls.seconds()).toBe(10)
  })

  test('a 504 shortens at once, five seconds at least', async () => {
    const polls = await pace()
    polls.timedOut(10_000)
    expect(polls.seconds()).toBe(8)
    polls.timedOut(5000)
    polls.timedOut(100)
    expect(polls.seconds()).toBe(5)
  })

  test('a gateway that answers 504 at once says nothing about waiting', async () => {
    const polls = await pace()
    polls.timedOut(300)
    expect(polls.seconds()).toBe(25)
  })

  test('an answer that never came shortens by the wait, for the age says nothing', async () => {
    const polls = await pace()
    polls.cut(35_000)
    polls.cut(35_000)
    expect(polls.seconds()).toBe(20)
  })

  test('20 uncut polls let it grow by a quarter, up to what the server wants; it is remembered', async () => {
    const state = await newState()
    const polls = createPace({ longest: 25, state, log })
    polls.timedOut(20_000)
    const uncut = (times: number): void => Array.from({ length: times }).forEach(() => polls.uncut())
    uncut(19)
    expect(polls.seconds()).toBe(16)
    uncut(1)
    expect(polls.seconds()).toBe(20)
    expect(createPace({ longest: 25, state, log }).seconds()).toBe(20)
    uncut(40)
    expect(polls.seconds()).toBe(25)
  })
})

describe('chunk limits', () => {
  const KiB = 1024
  const chunk = { min: 64 * KiB, max: 4096 * KiB, preferred: 4096 * KiB }
  const limits = async (cap?: number) => createChunkLimits({ cap, state: await newState(), log })

  test('the server, the user, what is too large', async () => {
    expect((await limits()).most(chunk)).toBe(4096 * KiB)
    expect((await limits()).most({ min: 2 ** 50, max: 2 ** 50, preferred: 2 ** 50 })).toBe(8192 * KiB)
    expect((await limits(1500)).most(chunk)).toBe(1500)
  })

  test('what the bandwidth limit lets pass, at the moment', async () => {
    let passing = 100_000
    const found = createChunkLimits({ cap: undefined, passing: () => passing, state: await newState(), log })
    expect(found.most(chunk)).toBe(100_000)
    passing = Number.POSITIVE_INFINITY
    expect(found.most(chunk)).toBe(4096 * KiB)
  })

  test('413 halves down to 64 KiB, then it is over; chunks that were in flight together halve once', async () => {
    const found = await limits()
    const seen: number[] = []
    for (let length = found.most(chunk); found.tooLarge(length) && found.tooLarge(length); length = found.most(chunk))
      seen.push(length / KiB)
    expect(seen).toEqual([4096, 2048, 1024, 512, 256, 128])
    expect(found.most(chunk)).toBe(64 * KiB)
  })

  test('a limit that the server names is kept to', async () => {
    const found = await limits()
    expect(found.limitedTo(100_000, 4096 * KiB)).toBe(true)
    expect(found.most(chunk)).toBe(100_000)
    expect(found.limitedTo(200_000, 100_000)).toBe(true)
    expect(found.most(chunk)).toBe(64 * KiB)
  })

  test('resets count only above what came through before', async () => {
    const found = await limits()
    found.accepted(4096 * KiB)
    expect(found.suspect(4096 * KiB)).toBe(false)
    expect(found.suspect(5000 * KiB)).toBe(true)
  })

  test('a ceiling is remembered once something came through under it', async () => {
    const state = await newState()
    const found = createChunkLimits({ cap: undefined, state, log })
    found.tooLarge(4096 * KiB)
    expect(state.ceiling()).toBeUndefined()
    found.accepted(2048 * KiB)
    expect(state.ceiling()).toBe(2048 * KiB)
    expect(createChunkLimits({ cap: undefined, state, log }).most(chunk)).toBe(2048 * KiB)
  })

  test('after a week an agent that runs on asks for more again', async () => {
    const state = await newState()
    let forgotten = false
    const forgetful = { ...state, ceiling: () => (forgotten ? undefined : state.ceiling()) }
    const found = createChunkLimits({ cap: undefined, state: forgetful, log })
    found.tooLarge(4096 * KiB)
    found.accepted(2048 * KiB)
    expect(found.most(chunk)).toBe(2048 * KiB)
    forgotten = true
    expect(found.most(chunk)).toBe(4096 * KiB)
  })
})
