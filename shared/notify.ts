import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Environment } from './env.ts'
import { messageOf, systemCode } from './errors.ts'
import { printable } from './format.ts'
import type { Log } from './log.ts'

/** What systemd is told of a service (sd_notify(3)). Where nobody listens, nothing is done. */
export interface Notify {
  /** The start is over. To be called once. */
  ready(): void
  /** What the service does, in words: the line that `systemctl status` shows. */
  status(text: string): void
  /**
   * The work got on: feeds the watchdog, as often as it needs. To be called where something came to its end, and never
   * by a timer of its own: what stands still must be found.
   */
  progress(): void
  /** So much time may pass between two calls of `progress`, in ms; Infinity without a watchdog. */
  readonly watchdogMs: number
}

/** Assignments, as `READY=1`. @throws why they were not taken */
export type Send = (message: readonly string[]) => Promise<void>

const nobody: Notify = {
  ready: () => undefined,
  status: () => undefined,
  progress: () => undefined,
  watchdogMs: Number.POSITIVE_INFINITY,
}

/** A message is a process, so words follow each other no faster, in ms. */
const WORDS_EVERY_MS = 5_000
const SEND_WITHIN_MS = 10_000
/** What was not taken is told again after so many ms: a service that is never ready is ended. */
const AGAIN_MS = 15_000
/** systemd lets go of messages above 4096 bytes, with all that is in them; a character is up to three bytes here. */
const LONGEST_WORDS = 1000

/**
 * Tells systemd by its own `systemd-notify`, for Node has no datagrams of Unix.
 * @param env of this process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
 */
export function createNotify({
  env,
  log,
  now = () => performance.now(),
  send = sendBy(env),
}: {
  env: Environment
  log: Log
  now?: () => number
  send?: Send
}): Notify {
  if (!env['NOTIFY_SOCKET']) return nobody
  const watchdogMs = watchdogOf(env)
  let waiting = new Map<string, string>()
  let fedAt = Number.NEGATIVE_INFINITY
  let toldAt = Number.NEGATIVE_INFINITY
  let telling = false
  let later: NodeJS.Timeout | undefined
  let warned = false

  const failed = (message: ReadonlyMap<string, string>, error: unknown): void => {
    // It goes again, unless there is something newer by then. What was progress is none by then.
    waiting = new Map([...message, ...waiting])
    waiting.delete('WATCHDOG')
    fedAt = Number.NEGATIVE_INFINITY
    if (!warned) log.warn(`cannot tell systemd how things are: ${reasonOf(error)}`)
    warned = true
    later = setTimeout(() => void tell(), AGAIN_MS).unref()
  }

  const tell = async (): Promise<void> => {
    if (telling) return
    telling = true
    clearTimeout(later)
    try {
      while (waiting.size > 0) {
        const message = waiting
        waiting = new Map()
        toldAt = now()
        try {
          await send([...message].map(([name, value]) => `${name}=${value}`))
        } catch (error) {
          return failed(message, error)
        }
      }
    } finally {
      telling = false
    }
  }

  const tellSoon = (): void => {
    const ms = toldAt + WORDS_EVERY_MS - now()
    if (ms <= 0) return void tell()
    clearTimeout(later)
    later = setTimeout(() => void tell(), ms).unref()
  }

  return {
    watchdogMs,
    ready() {
      waiting.set('READY', '1')
      void tell()
    },
    status(text) {
      waiting.set('STATUS', printable(text).slice(0, LONGEST_WORDS))
      tellSoon()
    },
    progress() {
      // A quarter leaves three for what takes longest.
      if (now() - fedAt < watchdogMs / 4 || watchdogMs === Number.POSITIVE_INFINITY) return
      fedAt = now()
      waiting.set('WATCHDOG', '1')
      void tell()
    },
  }
}

/** @returns ms; Infinity where there is no watchdog, or it is meant for another process */
function watchdogOf(env: Environment): number {
  const usec = Number(env['WATCHDOG_USEC'] ?? '')
  const other = env['WATCHDOG_PID'] !== undefined && env['WATCHDOG_PID'] !== String(process.pid)
  return usec > 0 && !other ? usec / 1000 : Number.POSITIVE_INFINITY
}

/** It waits until systemd has read the message: that comes from another process than the service's own, which must still be there. */
function sendBy({ NOTIFY_SOCKET, PATH }: Environment): Send {
  const run = promisify(execFile)
  const options = { env: { NOTIFY_SOCKET, PATH }, timeout: SEND_WITHIN_MS, killSignal: 'SIGKILL' } as const
  return async (message) => void (await run('systemd-notify', message, options))
}

function reasonOf(error: unknown): string {
  if (systemCode(error) === 'ENOENT')
    return 'there is no systemd-notify. Install it, or set Type=exec and WatchdogSec=0'
  return `${printable(messageOf(error)).trim()}. The service needs NotifyAccess=all`
}
