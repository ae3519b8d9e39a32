import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { createLimiter } from '../../agent/limiter.ts'
import { createSchedule, type Schedule } from '../../agent/schedule.ts'
import { parseTimetable } from '../../agent/timetable.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { until } from '../helpers/until.ts'

let folder: string
let remove: () => Promise<void>
let stop: AbortController
let logged: string[]
let now: Date

beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
  stop = new AbortController()
  logged = []
  now = new Date('2026-11-20T12:00:00')
})
afterEach(async () => {
  stop.abort()
  await remove()
})

/** The limit as an agent keeps it. */
async function startSchedule(limit: string, file?: string): Promise<Schedule> {
  const log = pino({}, { write: (line: string) => void logged.push(JSON.parse(line).msg) })
  const limiter = createLimiter()
  const schedule = createSchedule({ timetable: parseTimetable(limit), file, limiter, log, now: () => now })
  await schedule.start(stop.signal)
  return schedule
}

const inForce = (schedule: Schedule, limit: string) =>
  until(`the limit to be ${limit}`, async () => schedule.view().inForce === limit)

test('without a limit nothing is said', async () => {
  const schedule = await startSchedule('unlimited', join(folder, 'limit'))
  expect(schedule.view()).toEqual({
    inForce: 'unlimited',
    bytesPerSecond: null,
    until: null,
    line: null,
    mistake: null,
  })
  expect(logged).toEqual([])
})

test('a timetable goes by the wall clock, wherever that jumps', async () => {
  const schedule = await startSchedule('mon-fri 08:00-22:00 2mbit, sat off, else unlimited')
  expect(schedule.view()).toMatchObject({
    inForce: '2 Mbit/s',
    bytesPerSecond: 250_000,
    until: new Date('2026-11-20T22:00:00').toISOString(),
  })
  now = new Date('2026-11-20T22:00:00')
  await inForce(schedule, 'unlimited')
  now = new Date('2026-11-20T21:59:59')
  await inForce(schedule, '2 Mbit/s')
  now = new Date('2026-11-22T13:00:00')
  await inForce(schedule, 'unlimited')
  now = new Date('2026-11-21T13:00:00')
  await inForce(schedule, 'off')
  expect(schedule.view()).toMatchObject({ bytesPerSecond: 0 })
  expect(logged).toEqual([
    'limit is now 2 Mbit/s until 22:00',
    'limit is now unlimited until sat 00:00',
    'limit is now 2 Mbit/s until 22:00',
    'limit is now unlimited until mon 08:00',
    'limit is now off until sun 00:00',
  ])
})

test('a file counts while it is there, however it is written', async () => {
  const file = join(folder, 'limit')
  const schedule = await startSchedule('1mbit', file)
  expect(schedule.view().inForce).toBe('1 Mbit/s')
  await writeFile(file, '2mbit\n')
  await inForce(schedule, '2 Mbit/s')
  await writeFile(file, '3mbit\n')
  await inForce(schedule, '3 Mbit/s')
  await writeFile(`${file}~`, '4mbit\n')
  await rename(`${file}~`, file)
  await inForce(schedule, '4 Mbit/s')
  await rm(file)
  await inForce(schedule, '1 Mbit/s')
  expect(logged).toEqual([1, 2, 3, 4, 1].map((mbit) => `limit is now ${mbit} Mbit/s`))
})

test('a file behind links that are swapped, as container platforms mount settings', async () => {
  for (const [version, text] of [
    ['v1', '2mbit'],
    ['v2', '30%'],
  ] as const) {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'limit'), text)
  }
  await symlink('v1', join(folder, 'data'))
  await symlink('data/limit', join(folder, 'limit'))
  const schedule = await startSchedule('unlimited', join(folder, 'limit'))
  expect(schedule.view().inForce).toBe('2 Mbit/s')
  await symlink('v2', join(folder, 'data-new'))
  await rename(join(folder, 'data-new'), join(folder, 'data'))
  await inForce(schedule, '30 % of the line')
})

test('a mistake in the file is said once, is seen, and leaves the limit as it was', async () => {
  const file = join(folder, 'limit')
  await writeFile(file, '2mbit')
  const schedule = await startSchedule('1mbit', file)
  const mistaken = (text: string) => until(`the mistake "${text}"`, async () => schedule.view().mistake?.includes(text))
  await writeFile(file, '2mb\u001b[2J')
  await mistaken(`${file}: must`)
  expect(schedule.view()).toMatchObject({ inForce: '2 Mbit/s', mistake: expect.not.stringContaining('\u001b') })
  await rm(file)
  await mkdir(file)
  await mistaken('is not a file')
  await rm(file, { recursive: true })
  await writeFile(file, '')
  await mistaken('and is empty')
  await writeFile(file, 'sat off, else 2mbit')
  await until('no mistake', async () => schedule.view().mistake === null)
  expect(schedule.view().inForce).toBe('2 Mbit/s')
  expect(logged.filter((line) => line.includes('What was in force stays: 2 Mbit/s'))).toHaveLength(3)
})

test('a mistake in the file at the start leaves the limit that was given', async () => {
  const file = join(folder, 'limit')
  await writeFile(file, '99')
  expect((await startSchedule('1mbit', file)).view()).toMatchObject({
    inForce: '1 Mbit/s',
    mistake: expect.stringContaining('"99"'),
  })
})
