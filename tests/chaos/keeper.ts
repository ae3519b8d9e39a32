import { setTimeout as delay } from 'node:timers/promises'
import type { Running } from '../helpers/process.ts'

/** A process that is started again after the harness ended it, as a service manager would, and never else. */
export interface Keeper {
  /** Ends the process, waits `ms`, starts it again. SIGTERM must end it in time, with the exit code 0. */
  restart(signal: 'SIGKILL' | 'SIGTERM', ms: number): Promise<void>
  /** Stops it for `ms`, as a machine that sleeps. */
  freeze(ms: number): Promise<void>
  pid(): number
  /** From now on its end is nobody's business. */
  release(): void
}

/** How long a process may take to end by itself, in ms. */
const END_WITHIN = 15_000

/**
 * @param begin starts the process and resolves when it is up
 * @param incident told of everything that the harness did not do
 */
export async function keep({
  name,
  begin,
  incident,
}: {
  name: string
  begin: () => Promise<Running>
  incident: (what: string) => void
}): Promise<Keeper> {
  let running: Running

  const watched = async (): Promise<Running> => {
    const started = await begin()
    void reportEnd(started)
    return started
  }

  const reportEnd = async (started: Running): Promise<void> => {
    const code = await started.exited
    if (started === running) incident(`${name} ended by itself (${code ?? started.child.signalCode})`)
  }

  running = await watched()

  // A copy is nobody's process: the end of the one it was made of is expected from then on.
  const expectEnd = (): void => void (running = { ...running })

  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    const ended = running
    expectEnd()
    const late = new AbortController()
    const timer = delay(END_WITHIN, true, { signal: late.signal }).catch(() => false)
    const inTime = await Promise.race([ended.kill(signal).then(() => true), timer.then((over) => !over)])
    late.abort()
    if (!inTime) {
      incident(`${name} did not end within ${END_WITHIN / 1000} s after ${signal}`)
      await ended.kill('SIGKILL')
    } else if (signal === 'SIGTERM' && ended.child.exitCode !== 0) {
      incident(`${name} ended with ${ended.child.exitCode ?? ended.child.signalCode} after SIGTERM`)
    }
  }

  return {
    pid: () => running.pid,
    release: expectEnd,
    async restart(signal, ms) {
      await end(signal)
      await delay(ms)
      running = await watched()
    },
    async freeze(ms) {
      const { pid } = running
      process.kill(pid, 'SIGSTOP')
      await delay(ms)
      process.kill(pid, 'SIGCONT')
    },
  }
}
