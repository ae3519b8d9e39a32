import { setImmediate } from 'node:timers/promises'
import type { Hashers } from './hasher.ts'
import type { Http } from './http.ts'

/** Lets go of what jobs needed, once there has been none for a while: an agent waits nearly all its life. */
export interface Idle {
  /** So many jobs are under way. */
  jobs(count: number): void
}

/** Jobs that follow each other sooner find everything as it was, in ms. */
const AFTER_MS = 10_000

/** V8 lets go of code that has not run for some collections, and of what hung on a socket with the one after it. */
const TURNS = 6

/** V8's own, with `--expose-gc`; by itself it collects when it needs room, which a process that waits never does. */
type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void

export function createIdle({
  hashers,
  connections,
}: {
  hashers: Pick<Hashers, 'close'>
  connections: readonly Pick<Http, 'rest'>[]
}): Idle {
  let timer: NodeJS.Timeout | undefined
  let running = 0

  const letGo = async (): Promise<void> => {
    // Another thread is started in less time than a job takes to begin.
    await hashers.close()
    for (const { rest } of connections) rest()
    const { gc } = globalThis as { gc?: Collect }
    for (let turn = 0; turn < TURNS; turn += 1) {
      await setImmediate()
      // A job that has begun meanwhile is not held up.
      if (running > 0) return
      gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    }
  }

  const wait = (): void => {
    timer = setTimeout(() => void letGo(), AFTER_MS).unref()
  }

  // What the start needed goes, too.
  wait()
  return {
    jobs(count) {
      running = count
      clearTimeout(timer)
      if (count === 0) wait()
    },
  }
}
