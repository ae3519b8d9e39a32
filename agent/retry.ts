import pRetry from 'p-retry'
import { messageOf } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import type { Notify } from '../shared/notify.ts'
import { fullJitter, pause } from '../shared/wait.ts'

/** Something that may well go better later: a broken connection, a busy server, an answer that is not ours. */
export class TransientError extends Error {
  override readonly name = 'TransientError'
  /** When to try again, in ms, if whoever answered said so. */
  readonly retryAfterMs: number | undefined
  /** The connection was reset while a body was being sent over a fresh connection. */
  readonly reset: boolean
  /** An open request was cut off or ran into its limit: not refused, not answered. */
  readonly cut: boolean
  /** It ran into its hard limit. */
  readonly expired: boolean
  /** Nothing moved for the time allowed. */
  readonly stalled: boolean
  /** Nobody was reached, or nobody answered: the line may be dead. */
  readonly unanswered: boolean
  /** The agent's own limit ended it, to send it otherwise or later; nothing is wrong. */
  readonly limited: boolean
  readonly status: number | undefined

  constructor(
    message: string,
    details: {
      retryAfterMs?: number | undefined
      reset?: boolean
      cut?: boolean
      expired?: boolean
      stalled?: boolean
      unanswered?: boolean
      limited?: boolean
      status?: number
    } = {},
  ) {
    super(message)
    this.retryAfterMs = details.retryAfterMs
    this.reset = details.reset ?? false
    this.cut = details.cut ?? false
    this.expired = details.expired ?? false
    this.stalled = details.stalled ?? false
    this.unanswered = details.unanswered ?? false
    this.limited = details.limited ?? false
    this.status = details.status
  }
}

export interface PersistOptions {
  /** What is being tried, for the log: `send bytes 0-9 of a1b2`. */
  what: string
  signal: AbortSignal
  /** Whether somebody waits for it: the pauses then stay short for the first ten minutes. */
  urgent: () => boolean
  /** The pause before the second try where nobody answered, in ms; by default like the others. */
  firstDelayMs?: () => number
}

export interface Retry {
  /**
   * Tries `operation` until it settles with anything but a TransientError, with full jitter from 500 ms up to 60 s.
   * Whoever waits because nobody answered tries again as soon as anybody else is answered after a silence.
   * @throws whatever else the operation throws, and the signal's reason
   */
  persist<T>(operation: () => Promise<T>, options: PersistOptions): Promise<T>
  /** Waits so many ms, or until the signal aborts; never throws. */
  rest(ms: number, signal: AbortSignal): Promise<void>
}

const URGENT_FOR_MS = 10 * 60_000
/** So long without an answer, in ms, is a silence: the line was dead, and not only unlucky for one request. */
const SILENCE_MS = 2_000

export interface RetryClock {
  /** Monotonic ms. */
  now(): number
  pause(ms: number, signal: AbortSignal): Promise<void>
}

const realClock: RetryClock = { now: () => performance.now(), pause }

/**
 * The one owner of retries: nothing else in the agent repeats a request.
 * @param notify hears of every try that ended, and of every part of a wait: a dead line is no standstill
 */
export function createRetry({
  log,
  clock = realClock,
  notify,
}: {
  log: Log
  clock?: RetryClock
  notify?: Pick<Notify, 'progress' | 'watchdogMs'>
}): Retry {
  const longestRest = (notify?.watchdogMs ?? Number.POSITIVE_INFINITY) / 4
  let lineBack = new AbortController()
  let heardAt = clock.now()

  const heard = (): void => {
    const silent = clock.now() - heardAt > SILENCE_MS
    heardAt = clock.now()
    if (!silent) return
    lineBack.abort()
    lineBack = new AbortController()
  }

  const rest = async (ms: number, signal: AbortSignal): Promise<void> => {
    for (let left = ms; left >= 0 && !signal.aborted; left -= longestRest) {
      await clock.pause(Math.min(left, longestRest), signal)
      notify?.progress()
    }
  }

  return {
    rest,

    persist<T>(operation: () => Promise<T>, { what, signal, urgent, firstDelayMs }: PersistOptions): Promise<T> {
      let firstFailure: number | undefined

      const tryOnce = async (): Promise<T> => {
        const result = await operation()
        heard()
        notify?.progress()
        return result
      }

      const delayMs = (error: TransientError, attempt: number): number => {
        firstFailure ??= clock.now()
        // A little more than was asked for, so that not everybody who was told the same returns at once.
        // Told to return at once, it would do nothing else for as long as that is said.
        if (error.retryAfterMs) return error.retryAfterMs * (1 + Math.random() / 8)
        if (attempt === 1 && firstDelayMs && error.unanswered) return firstDelayMs()
        const short = urgent() && clock.now() - firstFailure < URGENT_FOR_MS
        return fullJitter(attempt - 1, { baseMs: 500, capMs: short ? 4000 : 60_000 })
      }

      return pRetry(tryOnce, {
        retries: Number.POSITIVE_INFINITY,
        // The pause is ours, below: the library's jitter is not the full one and knows no Retry-After.
        minTimeout: 0,
        signal,
        async onFailedAttempt({ error, attemptNumber }) {
          notify?.progress()
          if (!(error instanceof TransientError)) return
          const wait = delayMs(error, attemptNumber)
          // At powers of two: seen at once, and no flood in an outage of a week.
          const level = (attemptNumber & (attemptNumber - 1)) === 0 ? 'warn' : 'debug'
          log[level](
            { try: attemptNumber, againInMs: Math.round(wait) },
            `cannot ${what}: ${printable(messageOf(error))}`,
          )
          await rest(wait, error.unanswered ? AbortSignal.any([signal, lineBack.signal]) : signal)
        },
        shouldRetry: ({ error }) => error instanceof TransientError,
      })
    },
  }
}
