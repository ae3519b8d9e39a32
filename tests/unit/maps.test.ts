import { describe, expect, test } from '@jest/globals'
import { createMaps } from '../../server/domain/maps.ts'
import { createReservations } from '../../server/domain/reservations.ts'
import { createResent } from '../../server/domain/resent.ts'
import { sparing } from '../../server/domain/sparing.ts'
import type { DownloadRecord } from '../../server/ports.ts'
import { pause } from '../../shared/wait.ts'
import { until } from '../helpers/until.ts'

const part = { id: 'a', attempt: 1 }
const resentOf = () => createResent({ jobs: { addResent: async () => undefined } })

describe('maps', () => {
  test('of more ranges than anybody sees, neighbours are told as one', async () => {
    // Pairs that lie close together, far from each other.
    const ranges = Array.from({ length: 1500 }, (_, n) => {
      const start = Math.floor(n / 2) * 1000 + (n % 2) * 20
      return { start, end: start + 10 }
    })
    const reservations = createReservations()
    for (const range of ranges) (await reservations.acquire(part, range, '1.x', new AbortController().signal)).moved(4)
    const maps = createMaps({ jobs: { received: async () => ranges }, reservations, resent: resentOf() })
    const download = { ...part, status: 'transferring', source: 'v', size: 1e9 } as DownloadRecord
    const { received, receiving, joined } = await maps.of(download)
    expect([received.length, receiving.length, joined]).toEqual([1000, 1000, true])
    expect(received.every(({ start, end }) => end - start === 10 || end - start === 30)).toBe(true)
    expect([received[0]!.start, received.at(-1)!.end]).toEqual([0, 749_030])
    expect(receiving.map(({ start, end }) => ({ start, end }))).toEqual(received)
    expect(receiving.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(1500 * 4)
  })

  test('no more bytes have come than are to come', async () => {
    const reservations = createReservations()
    const lease = await reservations.acquire(part, { start: 5, end: 10 }, '1.x', new AbortController().signal)
    const maps = createMaps({ jobs: { received: async () => [] }, reservations, resent: resentOf() })
    const download = { ...part, status: 'transferring', source: 'v', size: 10 } as DownloadRecord
    lease.moved(3)
    expect((await maps.of(download)).receiving).toEqual([{ start: 5, end: 10, bytes: 3 }])
    lease.moved(3)
    expect((await maps.of(download)).receiving).toEqual([{ start: 5, end: 10, bytes: 5 }])
    lease.release()
    expect((await maps.of(download)).receiving).toEqual([])
  })
})

test('what was resent is remembered of so many attempts, and of each in so many ranges', async () => {
  const resent = resentOf()
  for (let n = 0; n < 300; n += 1) await resent.add(part, { start: n * 100, end: n * 100 + 1 }, 1)
  expect(resent.of(part)).toHaveLength(200)
  expect([resent.of(part)[0]!.start, resent.of(part).at(-1)!.end]).toEqual([0, 29_901])
  for (let attempt = 2; attempt < 1002; attempt += 1) await resent.add({ id: 'a', attempt }, { start: 0, end: 1 }, 1)
  expect(resent.of(part)).toEqual([])
  expect(resent.of({ id: 'a', attempt: 2 })).toEqual([{ start: 0, end: 1 }])
})

test('what takes long is made once for all who ask meanwhile, and again after a failure', async () => {
  let made = 0
  let fail = true
  const ask = sparing(async () => {
    made += 1
    await pause(5)
    if (fail) throw new Error('broken')
    return made
  })
  await expect(Promise.all([ask(), ask()])).rejects.toThrow('broken')
  expect(made).toBe(1)
  fail = false
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2])
  expect(await ask()).toBe(2)
  await until('another one', async () => (await ask()) === 3)
})
