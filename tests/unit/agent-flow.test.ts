import { describe, expect, test } from '@jest/globals'
import { createFlow, type Flow } from '../../agent/flow.ts'

const KiB = 1024
const MiB = 1024 * KiB
const BUDGET = 16 * MiB

interface Line {
  /** Bytes per ms of the line, and of one connection. */
  rate: number
  perConnection: number
  roundTripMs: number
  /** Of this moment, by what is sent; undefined where it cannot be told. */
  queued?: (rate: number) => number | undefined
}

/** A line that carries what it can, on a clock of its own. */
function sendOver({ rate, perConnection, roundTripMs, queued }: Line) {
  let at = 0
  let carried = 0
  let connections = 0
  const flow: Flow = createFlow({
    budget: BUDGET,
    busy: () => true,
    onConnections: (count) => (connections = count),
    roundTripMs: () => roundTripMs,
    measureRoundTrip: async () => (queued ? queued(carried) : carried >= rate ? 3 * roundTripMs : roundTripMs),
    now: () => at,
  })
  flow.connections()
  flow.begin()
  return {
    flow,
    connections: () => connections,
    /** Lets so many ms pass while everything is in use. */
    async run(ms: number) {
      for (const end = at + ms; at < end;) {
        carried = Math.min(rate, connections * perConnection)
        const slice = flow.sliceLength()
        at += slice / carried
        flow.moved(slice)
        // The round trip is measured meanwhile.
        await Promise.resolve()
        await Promise.resolve()
      }
    },
  }
}

test('a slice is a whole number of bytes, whatever the line carries', async () => {
  const line = sendOver({ rate: 5000 / 1.7, perConnection: 5000, roundTripMs: 80 })
  await line.run(2000)
  expect(line.flow.sliceLength()).toBeGreaterThan(16 * KiB)
  expect(line.flow.sliceLength() % 1).toBe(0)
})

describe('connections', () => {
  test('a lossy line, of which each connection gets little: more of them, until the line is full', async () => {
    const line = sendOver({ rate: 6250, perConnection: 200, roundTripMs: 80 })
    expect(line.connections()).toBe(20)
    await line.run(10_000)
    expect(line.connections()).toBe(40)
  })

  test('a clean line is full with those it began with', async () => {
    const line = sendOver({ rate: 6250, perConnection: 5000, roundTripMs: 80 })
    await line.run(30_000)
    expect(line.connections()).toBe(20)
  })

  test('where the round trip cannot be told, what brings no more is taken back', async () => {
    const line = sendOver({ rate: 6250, perConnection: 5000, roundTripMs: 80, queued: () => undefined })
    await line.run(2_000)
    expect(line.connections()).toBe(20)
  })

  test('the farther the server, the more at first; in a house no more than some', async () => {
    expect(sendOver({ rate: 2500, perConnection: 100, roundTripMs: 600 }).connections()).toBe(20)
    const near = sendOver({ rate: 400_000, perConnection: 10_000, roundTripMs: 0.2 })
    await near.run(5_000)
    expect(near.connections()).toBe(4)
  })

  test('a very slow line has few, so that each moves', async () => {
    const line = sendOver({ rate: 30, perConnection: 30, roundTripMs: 60 })
    await line.run(200_000)
    expect(line.connections()).toBe(2)
  })

  test('what the last chunks of a job carry says nothing of their number', async () => {
    const line = sendOver({ rate: 6250, perConnection: 200, roundTripMs: 80 })
    line.flow.nextLength(64 * KiB)
    await line.run(10_000)
    expect(line.connections()).toBe(20)
    line.flow.nextLength(1e12)
    await line.run(10_000)
    expect(line.connections()).toBe(40)
  })

  test('never more than 64', async () => {
    const line = sendOver({ rate: 1e9, perConnection: 50, roundTripMs: 200 })
    await line.run(60_000)
    expect(line.connections()).toBe(64)
  })
})

describe('the length of a chunk', () => {
  test('what a connection carries in a second, within the memory, in the end for all alike', async () => {
    const line = sendOver({ rate: 6250, perConnection: 5000, roundTripMs: 80 })
    await line.run(5_000)
    Array.from({ length: 20 }, () => line.flow.nextLength(1e12))
    const length = line.flow.nextLength(1e12)
    expect(length).toBeGreaterThan(250 * KiB)
    expect(length).toBeLessThan(500 * KiB)
    expect(line.flow.nextLength(20 * 80 * KiB)).toBe(64 * KiB)
    expect(line.flow.nextLength(1)).toBe(64 * KiB)
  })

  test('the first ones do not end together, in any job', async () => {
    const line = sendOver({ rate: 6250, perConnection: 5000, roundTripMs: 80 })
    const firsts = (): number[] => Array.from({ length: 20 }, () => line.flow.nextLength(1e12))
    const first = firsts()
    expect(first[0]).toBe(128 * KiB)
    expect(first.toSorted((a, b) => a - b)).toEqual(first)
    expect(new Set(first).size).toBeGreaterThan(3)
    await line.run(5_000)
    line.flow.begin()
    expect(new Set(firsts()).size).toBeGreaterThan(3)
    expect(new Set(firsts()).size).toBe(1)
  })

  test('a fast line gets as much as fits into memory', async () => {
    const line = sendOver({ rate: 400_000, perConnection: 100_000, roundTripMs: 0.2 })
    await line.run(2_000)
    Array.from({ length: 4 }, () => line.flow.nextLength(1e12))
    expect(line.flow.nextLength(1e12)).toBe(BUDGET / 4)
  })

  test('what shrinks on the way can be longer', async () => {
    const line = sendOver({ rate: 1250, perConnection: 500, roundTripMs: 40 })
    await line.run(5_000)
    Array.from({ length: line.connections() }, () => line.flow.nextLength(1e12))
    const plain = line.flow.nextLength(1e12)
    for (let chunk = 0; chunk < 20; chunk += 1) line.flow.delivered(800, 100)
    expect(line.flow.nextLength(1e12)).toBeGreaterThan(4 * plain)
  })
})
