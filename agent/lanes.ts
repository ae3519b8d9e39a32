import { createArena } from '../shared/arena.ts'

/** The right to one connection, with a buffer for the chunk that goes over it. */
export interface Lane {
  /** As long as it was asked for, with leftovers of earlier use. */
  bytes: Buffer
  /** Whoever else reads the buffer: it is not given to others before that has settled. */
  keepUntil(done: Promise<unknown>): void
  /** Gives the lane back; again does nothing. */
  release(): void
}

export interface Lanes {
  /**
   * A lane as soon as there is one, first come, first served.
   * @param length bytes of its buffer, no more than all buffers may take up together
   * @throws the signal's reason
   */
  acquire(length: number, signal: AbortSignal): Promise<Lane>
  /** How many may be out at once from now on. */
  resize(count: number): void
  /** Lets go of the memory, if none is out: an agent that waits for jobs need not hold it. */
  trim(): void
  /** Whether all of them are out. */
  busy(): boolean
}

interface Waiter {
  length: number
  take(lane: Lane): void
}

/**
 * The lanes of the whole agent, however many jobs run.
 * @param budget bytes of all buffers together
 */
export function createLanes({ count, budget }: { count: number; budget: number }): Lanes {
  const arena = createArena({ size: budget })
  const queue: Waiter[] = []
  let allowed = count
  let out = 0

  const lend = (bytes: Buffer): Lane => {
    const users: Promise<unknown>[] = []
    let lent = true
    const giveBack = (): void => {
      arena.giveBack(bytes)
      out -= 1
      serve()
    }
    return {
      bytes,
      keepUntil: (done) => void users.push(done.catch(() => undefined)),
      release() {
        if (!lent) return
        lent = false
        if (users.length === 0) giveBack()
        else void Promise.all(users).then(giveBack)
      },
    }
  }

  const tryLend = (length: number): Lane | undefined => {
    const bytes = out < allowed ? arena.take(length) : undefined
    if (!bytes) return undefined
    out += 1
    return lend(bytes)
  }

  /** In their order: who waits for much room is not passed over for ever. */
  const serve = (): void => {
    for (let next = queue[0]; next; next = queue[0]) {
      const lane = tryLend(next.length)
      if (!lane) return
      queue.shift()
      next.take(lane)
    }
  }

  const enqueue = (length: number, signal: AbortSignal): Promise<Lane> =>
    new Promise((resolve, reject) => {
      const waiter: Waiter = {
        length,
        take(lane) {
          signal.removeEventListener('abort', leave)
          resolve(lane)
        },
      }
      const leave = (): void => {
        queue.splice(queue.indexOf(waiter), 1)
        reject(signal.reason)
        serve()
      }
      queue.push(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })

  return {
    async acquire(length, signal) {
      signal.throwIfAborted()
      if (length > budget) throw new Error(`no lane has ${length} bytes`)
      return (queue.length === 0 && tryLend(length)) || enqueue(length, signal)
    },
    resize(wanted) {
      allowed = wanted
      serve()
    },
    trim: arena.trim,
    busy: () => out >= allowed,
  }
}
