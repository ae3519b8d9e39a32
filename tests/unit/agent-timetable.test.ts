import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { describeBandwidth, parseBandwidth, SLOWEST, unlimited } from '../../agent/bandwidth.ts'
import { changeAfter, dayNames, limitAt, parseTimetable, type Timetable } from '../../agent/timetable.ts'
import { projectFolder } from '../helpers/process.ts'

const MINUTE_MS = 60_000
const DAY = 24 * 60
const mbit = (count: number) => ({ rate: count * 125_000 })

/** A Saturday. */
const at = (time: string, day = 21): Date => new Date(`2026-11-${day}T${time}:00`)

const mistakeOf = (text: string): string => {
  try {
    parseTimetable(text)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

describe('a bandwidth', () => {
  test.each([
    ['2mbit', 250_000],
    ['500 kbit', 62_500],
    ['1.5 Mbit/s', 187_500],
    ['8000bit/s', 1000],
    ['1Gbit', 125_000_000],
    ['250KB/s', 250_000],
    ['250 kB', 250_000],
    ['1MiB/s', 1_048_576],
    ['0.5GB', 500_000_000],
    ['off', 0],
    ['0', 0],
    ['Unlimited', Number.POSITIVE_INFINITY],
    ['100%', Number.POSITIVE_INFINITY],
  ])('%s', (text, rate) => {
    expect(parseBandwidth(text)).toEqual({ rate })
  })

  test.each([
    ['30%', 0.3],
    ['2.5 %', 0.025],
  ])('%s', (text, share) => {
    expect(parseBandwidth(text)).toEqual({ share })
  })

  test.each(['2mb', '2Mb', '2mb/s', '2kb', '1kib', '1Gb/s'])('%s could be bits or bytes', (text) => {
    expect(mistakeOf(text)).toBe(`must say whether bits or bytes are meant, as 2mbit or 2MB do, and not "${text}"`)
  })

  test.each([
    ['2', 'must read like 2mbit, 500kbit, 1.5 Mbit/s, 250KB/s, 1MiB/s, 30%, unlimited or off, not "2"'],
    ['mbit', 'must read like'],
    ['-2mbit', 'must read like'],
    ['2mbit/h', 'must read like'],
    ['2mbps', 'must read like'],
    ['1e3mbit', 'must read like'],
    ['', 'must read like'],
    ['7kbit', 'must be at least 8kbit, or off'],
    ['0mbit', 'must be at least 8kbit, or off'],
    ['0%', 'must be a share from 1% to 100%'],
    ['101%', 'must be a share from 1% to 100%'],
  ])('%s is refused', (text, mistake) => {
    expect(mistakeOf(text)).toContain(mistake)
  })

  test('what is shown of any rate reads as that rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: SLOWEST, max: 10_000_000_000 }), (rate) => {
        const read = parseBandwidth(describeBandwidth({ rate }))
        expect('rate' in read && Math.abs(read.rate / rate - 1)).toBeLessThan(0.001)
      }),
    )
  })
})

describe('a timetable', () => {
  test('a limit alone counts always', () => {
    expect(parseTimetable('2mbit')).toEqual({ windows: [], otherwise: mbit(2) })
    expect(changeAfter(parseTimetable('2mbit'), at('12:00'))).toBeUndefined()
  })

  test.each([
    ['07:59', unlimited],
    ['08:00', mbit(2)],
    ['21:59', mbit(2)],
    ['22:00', unlimited],
  ])('08:00-22:00 2mbit, else unlimited: at %s', (time, limit) => {
    expect(limitAt(parseTimetable('08:00-22:00 2mbit, else unlimited'), at(time))).toEqual(limit)
    expect(limitAt(parseTimetable('08:00-22:00 2mbit'), at(time))).toEqual(limit)
  })

  test.each([
    [20, '08:00', mbit(2)],
    [20, '22:00', { rate: 0 }],
    [21, '08:00', { rate: 0 }],
    [21, '10:00', { share: 0.3 }],
    [21, '14:00', { rate: 0 }],
    [22, '12:00', { rate: 0 }],
    [23, '12:00', mbit(2)],
  ])('weekdays: on the %s.11. at %s', (day, time, limit) => {
    const week = parseTimetable('Mon-Fri 8:00-22:00 2mbit, sat 10:00-14:00 30%, else off')
    expect(limitAt(week, at(time, day))).toEqual(limit)
  })

  test.each([
    [20, '21:59', unlimited],
    [20, '22:00', mbit(1)],
    [21, '05:59', mbit(1)],
    [21, '06:00', unlimited],
    [21, '22:00', unlimited],
    [22, '00:00', unlimited],
  ])('a window over midnight belongs to the day on which it begins: on the %s.11. at %s', (day, time, limit) => {
    expect(limitAt(parseTimetable('fri 22:00-06:00 1mbit'), at(time, day))).toEqual(limit)
  })

  test('the first window that fits counts, days may stand alone, and lines and remarks are allowed', () => {
    const text = '# the shop\r\nsat 12:00-13:00 off # lunch\n\nfri-sun 1mbit\nelse 00:00-24:00 2mbit'.replace(
      ' 00:00-24:00',
      '',
    )
    const timetable = parseTimetable(text)
    expect(limitAt(timetable, at('12:30'))).toEqual({ rate: 0 })
    expect(limitAt(timetable, at('13:00'))).toEqual(mbit(1))
    expect(limitAt(timetable, at('13:00', 22))).toEqual(mbit(1))
    expect(limitAt(timetable, at('13:00', 23))).toEqual(mbit(2))
  })

  test.each([
    ['08:00-22:00', 'must have a limit after times and days, such as 2mbit, and not "08:00-22:00" alone'],
    ['2mbit, else off', 'must have times or days before each limit, such as 08:00-22:00 or sat, not "2mbit"'],
    ['2mbit, 1mbit', 'must have times or days before each limit'],
    ['else off, sat 1mbit', 'must have one else, at the end, with a limit, and not "else off" here'],
    ['25:00-26:00 1mbit', 'must have times from 00:00 to 24:00, not 25:00'],
    ['24:00-06:00 1mbit', 'must have times from 00:00 to 24:00, not 24:00'],
    ['08:60-09:00 1mbit', 'must have times from 00:00 to 24:00, not 08:60'],
    ['08:00-08:00 1mbit', 'must end at another time than it begins, not 08:00-08:00'],
    ['08-22 1mbit', 'must have times or days before'],
    ['mon-fry 1mbit', 'must have times or days before'],
    ['sat 2', 'must read like'],
    ['sat 1mbit, else ', 'must have one else'],
  ])('%s is refused', (text, mistake) => {
    expect(mistakeOf(`sun off, ${text}`)).toContain(mistake)
  })

  test('that is empty is refused', () => {
    expect(mistakeOf(' \n# nothing, really')).toContain('and is empty')
  })

  test('when the next change is', () => {
    const timetable = parseTimetable('mon-fri 08:00-22:00 2mbit, mon-fri 22:00-23:00 2mbit, else unlimited')
    expect(changeAfter(timetable, at('12:00', 20))).toEqual(at('23:00', 20))
    expect(changeAfter(timetable, at('23:00', 20))).toEqual(at('08:00', 23))
    expect(changeAfter(parseTimetable('mon-sun 2mbit, else off'), at('12:00'))).toBeUndefined()
  })
})

const two = (count: number): string => String(count).padStart(2, '0')
const timeText = (minute: number): string => `${two(Math.floor(minute / 60))}:${two(minute % 60)}`

interface Part {
  first: number
  days: number
  from: number
  length: number
  rate: number
}

const parts = fc.array(
  fc.record({
    first: fc.nat(6),
    days: fc.integer({ min: 1, max: 7 }),
    from: fc.nat(DAY - 1),
    length: fc.integer({ min: 1, max: DAY - 1 }),
    rate: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 1, maxLength: 5 },
)

const textOf = (all: Part[]): string =>
  all
    .map(({ first, days, from, length, rate }) => {
      const last = dayNames[(first + days - 1) % 7]
      return `${dayNames[first]}-${last} ${timeText(from)}-${timeText((from + length) % DAY)} ${rate}mbit`
    })
    .join(', ')

/** The Mbit/s of each minute of a week, painted one window over the other, the first last. */
function paint(all: Part[]): (number | undefined)[] {
  const week = Array.from<number | undefined>({ length: 7 * DAY })
  for (const { first, days, from, length, rate } of all.toReversed()) {
    for (let day = first; day < first + days; day += 1)
      for (let minute = from; minute < from + length; minute += 1) week[(day * DAY + minute) % (7 * DAY)] = rate
  }
  return week
}

describe('any timetable', () => {
  const limitInWeek = (timetable: Timetable, minute: number) =>
    limitAt(timetable, new Date(2026, 10, 22 + Math.floor(minute / DAY), 0, minute % DAY))

  test('says for each minute of the week what the windows painted over each other do', () => {
    fc.assert(
      fc.property(parts, fc.array(fc.nat(7 * DAY - 1), { minLength: 20, maxLength: 20 }), (all, minutes) => {
        const timetable = parseTimetable(textOf(all))
        const week = paint(all)
        const edges = all.flatMap(({ first, from, length }) =>
          [from - 1, from, from + length - 1, from + length].map((edge) => (first * DAY + edge + 7 * DAY) % (7 * DAY)),
        )
        for (const minute of [...minutes, ...edges]) {
          const rate = week[minute]
          expect(limitInWeek(timetable, minute)).toEqual(rate === undefined ? unlimited : mbit(rate))
        }
      }),
    )
  })

  test('changes when it says, and not before', () => {
    fc.assert(
      fc.property(parts, fc.nat(7 * DAY - 1), fc.double({ min: 0, max: 1, noNaN: true }), (all, minute, share) => {
        const timetable = parseTimetable(textOf(all))
        const now = new Date(2026, 10, 22, 0, minute, 17)
        const then = changeAfter(timetable, now)?.getTime() ?? now.getTime() + 8 * DAY * MINUTE_MS
        const between = new Date(now.getTime() + share * (then - 1 - now.getTime()))
        expect(limitAt(timetable, between)).toEqual(limitAt(timetable, now))
        if (changeAfter(timetable, now)) expect(limitAt(timetable, new Date(then))).not.toEqual(limitAt(timetable, now))
      }),
    )
  })

  test('of any text is read, or refused in words', () => {
    const words = fc.constantFrom(
      'mon',
      '-',
      'fri',
      ' ',
      '08:00',
      '24:00',
      ',',
      '2mbit',
      '30%',
      'else',
      'off',
      '\n',
      '#',
      '9',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((some) => some.join('')),
        ),
        (text) => {
          const mistake = mistakeOf(text)
          expect(mistake === '' || mistake.startsWith('must ')).toBe(true)
        },
      ),
    )
  })
})

// Europe/Berlin puts the clock forward on 2027-03-28, from 02:00 to 03:00, and back on 2026-10-25, from 03:00 to 02:00.
test('an hour that the wall clock leaves out, and one that comes twice', async () => {
  const script = `
    import { changeAfter, limitAt, parseTimetable } from './agent/timetable.ts'
    const timetable = parseTimetable('02:30-03:30 1mbit')
    const [moments, before] = process.argv.slice(1).map((list) => list.split(',').map((time) => new Date(time)))
    console.log(JSON.stringify([
      moments.map((moment) => limitAt(timetable, moment).rate === 125000),
      before.map((moment) => changeAfter(timetable, moment)),
    ]))`
  const forward = ['2027-03-28T00:59:00Z', '2027-03-28T01:00:00Z', '2027-03-28T01:30:00Z']
  const back = ['2026-10-25T00:30:00Z', '2026-10-25T01:00:00Z', '2026-10-25T01:30:00Z', '2026-10-25T02:30:00Z']
  const before = ['2027-03-28T00:00:00Z', '2026-10-25T00:30:00Z']
  const args = ['--input-type=module-typescript', '-e', script, [...forward, ...back].join(), before.join()]
  const options = { cwd: projectFolder, env: { ...process.env, NODE_OPTIONS: '', TZ: 'Europe/Berlin' } }
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  expect(JSON.parse(stdout)).toEqual([
    [false, true, false, true, false, true, false],
    ['2027-03-28T01:00:00.000Z', '2026-10-25T01:00:00.000Z'],
  ])
})
