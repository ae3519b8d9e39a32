import { bandwidthForms, isSame, parseBandwidth, unlimited, type Bandwidth } from './bandwidth.ts'

/** Hours of some days of the week, by the wall clock of the machine. */
export interface Window {
  /** As of `Date.getDay`; a window over midnight belongs to the day on which it begins. */
  days: readonly number[]
  /** Minutes since midnight. */
  from: number
  /** The same, not included; not greater than `from` when the window ends on the next day. */
  to: number
  limit: Bandwidth
}

/** What may be sent when. The first window that a moment lies in counts. */
export interface Timetable {
  windows: readonly Window[]
  /** Outside of all windows. */
  otherwise: Bandwidth
}

export const always = (limit: Bandwidth): Timetable => ({ windows: [], otherwise: limit })

const DAY = 24 * 60
const MINUTE_MS = 60_000
export const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const day = `(?:${dayNames.join('|')})`
const time = String.raw`\d{1,2}:\d{2}`
const windowPattern = new RegExp(
  String.raw`^(?:(${day})(?:\s*-\s*(${day}))?(?:\s+|$))?(?:(${time})\s*-\s*(${time})(?:\s+|$))?(.*)$`,
  'i',
)

/**
 * Reads `2mbit`, or `mon-fri 08:00-22:00 2mbit, sat 30%, else unlimited`. Lines count as commas, and what follows a `#`
 * is a remark. Without `else` it is unlimited outside of the windows.
 * @throws Error that completes "NAME …"
 */
export function parseTimetable(text: string): Timetable {
  const entries = text
    .replace(/#.*/g, '')
    .split(/[,\r\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  const [first] = entries
  if (first === undefined) throw new Error(`must read like ${bandwidthForms}, and is empty`)
  const last = entries.at(-1) ?? ''
  const rest = /^else\s+(.+)$/i.exec(last)?.[1]
  const timed = rest === undefined ? entries : entries.slice(0, -1)
  if (timed.length === 1 && rest === undefined && !isTimed(first)) return always(parseBandwidth(first))
  return { windows: timed.map(parseWindow), otherwise: rest === undefined ? unlimited : parseBandwidth(rest) }
}

function isTimed(entry: string): boolean {
  const [, firstDay, , from] = windowPattern.exec(entry) ?? []
  return firstDay !== undefined || from !== undefined
}

function parseWindow(entry: string): Window {
  const [, firstDay, lastDay, from, to, limit = ''] = windowPattern.exec(entry) ?? []
  if (/^else\b/i.test(entry)) throw new Error(`must have one else, at the end, with a limit, and not "${entry}" here`)
  if (firstDay === undefined && from === undefined)
    throw new Error(`must have times or days before each limit, such as 08:00-22:00 or sat, not "${entry}"`)
  if (limit === '') throw new Error(`must have a limit after times and days, such as 2mbit, and not "${entry}" alone`)
  return { days: daysOf(firstDay, lastDay), ...hoursOf(from, to), limit: parseBandwidth(limit) }
}

function daysOf(first: string | undefined, last = first): number[] {
  if (first === undefined || last === undefined) return dayNames.map((_, index) => index)
  const start = dayNames.indexOf(first.toLowerCase())
  const length = ((dayNames.indexOf(last.toLowerCase()) - start + 7) % 7) + 1
  return Array.from({ length }, (_, index) => (start + index) % 7)
}

function hoursOf(from: string | undefined, to: string | undefined): { from: number; to: number } {
  if (from === undefined || to === undefined) return { from: 0, to: DAY }
  const hours = { from: minuteOf(from, DAY - 1), to: minuteOf(to, DAY) }
  if (hours.from === hours.to) throw new Error(`must end at another time than it begins, not ${from}-${to}`)
  return hours
}

function minuteOf(text: string, latest: number): number {
  const [hours = 0, minutes = 0] = text.split(':').map(Number)
  const minute = hours * 60 + minutes
  if (minutes < 60 && minute <= latest) return minute
  throw new Error(`must have times from 00:00 to 24:00, not ${text}`)
}

/** What counts at a moment, by the local time of the machine. */
export function limitAt({ windows, otherwise }: Timetable, date: Date): Bandwidth {
  const today = date.getDay()
  const minute = date.getHours() * 60 + date.getMinutes()
  return windows.find((window) => isWithin(window, today, minute))?.limit ?? otherwise
}

function isWithin({ days, from, to }: Window, today: number, minute: number): boolean {
  if (from < to) return days.includes(today) && minute >= from && minute < to
  return (days.includes(today) && minute >= from) || (days.includes((today + 6) % 7) && minute < to)
}

/** When something else counts than at `date`; undefined when it never does. Minute by minute, as the wall clock goes. */
export function changeAfter(timetable: Timetable, date: Date): Date | undefined {
  if (timetable.windows.length === 0) return undefined
  const current = limitAt(timetable, date)
  const next = (Math.floor(date.getTime() / MINUTE_MS) + 1) * MINUTE_MS
  // A day more than a week: the clock may be put forward in it.
  for (let at = next; at <= next + 8 * DAY * MINUTE_MS; at += MINUTE_MS) {
    const then = new Date(at)
    if (!isSame(limitAt(timetable, then), current)) return then
  }
  return undefined
}
