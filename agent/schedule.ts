import { messageOf } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import { pause } from '../shared/wait.ts'
import { describeBandwidth, isSame, unlimited, type Bandwidth } from './bandwidth.ts'
import { clip } from './failure.ts'
import type { Limiter } from './limiter.ts'
import { look, watchFile, type Content } from './limit-file.ts'
import { changeAfter, dayNames, limitAt, parseTimetable, type Timetable } from './timetable.ts'

/** What a person sees of the limit. */
export interface LimitView {
  /** `2 Mbit/s`, `30 % of the line`, `unlimited`, `off`. */
  inForce: string
  /** null without a limit. */
  bytesPerSecond: number | null
  /** When something else will be in force: ISO 8601, or null. */
  until: string | null
  /** Bytes per second that the line was found to give, or null. */
  line: number | null
  /** Why the file's text is not what is in force, or null. */
  mistake: string | null
}

/** Keeps the limit that counts now in force, by the timetable and the wall clock. */
export interface Schedule {
  /** Resolves once the first limit is in force; goes on until the signal aborts. Never throws. */
  start(signal: AbortSignal): Promise<void>
  view(): LimitView
}

/** A short time, and never until a planned moment: the clock may jump, and the machine may sleep. */
const LOOK_EVERY_MS = 250

/**
 * @param timetable what counts without a file
 * @param file whose text counts instead, while it is there
 */
export function createSchedule({
  timetable: own,
  file,
  limiter,
  log,
  now = () => new Date(),
}: {
  timetable: Timetable
  file: string | undefined
  limiter: Limiter
  log: Log
  now?: () => Date
}): Schedule {
  let timetable = own
  let current: Bandwidth = unlimited
  let shown = describeBandwidth(current)
  let mistake: string | undefined

  const apply = (): void => {
    current = limitAt(timetable, now())
    limiter.set(current)
    const text = describeBandwidth(current) + untilText(now(), changeAfter(timetable, now()))
    if (text !== shown) log.info(`limit is now ${text}`)
    shown = text
  }

  const read = (content: Content): void => {
    try {
      if ('mistake' in content) throw new Error(content.mistake)
      timetable = 'text' in content ? parseTimetable(content.text) : own
      mistake = undefined
    } catch (error) {
      mistake = clip(printable(`${file}: ${messageOf(error)}`), 400)
      log.warn(`${mistake}. What was in force stays: ${describeBandwidth(limitAt(timetable, now()))}`)
    }
  }

  const follow = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await pause(LOOK_EVERY_MS, signal)
      if (!isSame(limitAt(timetable, now()), current)) apply()
    }
  }

  return {
    async start(signal) {
      if (file !== undefined) {
        const known = await look(file)
        read(known)
        const onContent = (content: Content): void => {
          read(content)
          apply()
        }
        void watchFile({ path: file, known, onContent, signal })
      }
      apply()
      if (file !== undefined || own.windows.length > 0) void follow(signal)
    },

    view() {
      const rate = limiter.rate()
      return {
        inForce: describeBandwidth(current),
        bytesPerSecond: rate === Number.POSITIVE_INFINITY ? null : Math.round(rate),
        until: changeAfter(timetable, now())?.toISOString() ?? null,
        line: limiter.line() === undefined ? null : Math.round(limiter.line() ?? 0),
        mistake: mistake ?? null,
      }
    },
  }
}

/** ` until 22:00`, ` until sat 10:00`, or nothing. */
function untilText(now: Date, then: Date | undefined): string {
  if (!then) return ''
  const time = [then.getHours(), then.getMinutes()].map((part) => String(part).padStart(2, '0')).join(':')
  return ` until ${then.toDateString() === now.toDateString() ? '' : `${dayNames[then.getDay()]} `}${time}`
}
