import pRetry from 'p-retry'
import { messageOf } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
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
  readonly status: number | undefined

  constructor(
    message: string,
    details: {
      retryAfterMs?: number | undefined
      reset?: boolean
      cut?: boolean
      expired?: boolean
      status?: number
    } = {},
  ) {
    super(message)
    this.retryAfterMs = details.retryAfterMs
    this.reset = details.reset ?? false
    this.cut = details.cut ?? false
    this.expired = details.expired ?? false
    this.status = details.status
  }
}

export interface PersistOptions {
  /** What is being tried, for the log: `send bytes 0-9 of a1b2`. */
  what: string
  signal: AbortSignal
  /** Whether somebody waits for it: the pauses then stay short for the first ten minutes. */
  urgent: () => boolean
  /** The pause before the second try, in ms; by default like the others. */
  firstDelayMs?: () => number
}

export interface Retry {
  /**
   * Tries `operation` until it settles with anything but a TransientError, with full jitter from 500 ms up to 60 s.
   * @throws whatever else the operation throws, and the signal's reason
   */
  persist<T>(operation: () => Promise<T>, options: PersistOptions): Promise<T>
}

const URGENT_FOR_MS = 10 * 60_000

/** The one owner of retries: nothing else in the agent repeats a request. */
export function createRetry({ log }: { log: Log }): Retry {
  return {
    persist(operation, { what, signal, urgent, firstDelayMs }) {
      let firstFailure: number | undefined

      const delayMs = (error: TransientError, attempt: number): number => {
        firstFailure ??= performance.now()
        // A little more than was asked for, so that not everybody who was told the same returns at once.
        if (error.retryAfterMs !== undefined) return error.retryAfterMs * (1 + Math.random() / 8)
        if (attempt === 1 && firstDelayMs) return firstDelayMs()
        const short = urgent() && performance.now() - firstFailure < URGENT_FOR_MS
        return fullJitter(attempt - 1, { baseMs: 500, capMs: short ? 4000 : 60_000 })
      }

      return pRetry(operation, {
        retries: Number.POSITIVE_INFINITY,
        // The pause is ours, below: the library's jitter is not the full one and knows no Retry-After.
        minTimeout: 0,
        signal,
        async onFailedAttempt({ error, attemptNumber }) {
          if (!(error instanceof TransientError)) return
          const wait = delayMs(error, attemptNumber)
          // At powers of two: seen at once, and no flood in an outage of a week.
          const level = (attemptNumber & (attemptNumber - 1)) === 0 ? 'warn' : 'debug'
          log[level](
            { try: attemptNumber, againInMs: Math.round(wait) },
            `cannot ${what}: ${printable(messageOf(error))}`,
          )
          await pause(wait, signal)
        },
        shouldRetry: ({ error }) => error instanceof TransientError,
      })
    },
  }
}
