/** The right to one connection, with a buffer for the chunk that goes over it. */
export interface Lane {
  /** The first `length` bytes of the buffer, which holds leftovers of earlier use. */
  bytes(length: number): Buffer
  /** Whoever else reads the buffer: it is not given to others before that has settled. */
  keepUntil(done: Promise<unknown>): void
  /** Gives the lane back; again does nothing. */
  release(): void
}

export interface Lanes {
  /**
   * A lane as soon as there is one, first come, first served.
   * @param length bytes that its buffer must hold
   * @throws the signal's reason
   */
  acquire(length: number, signal: AbortSignal): Promise<Lane>
  /** How many may be out at once from now on. */
  resize(count: number): void
  /** Lets go of buffers that nobody uses. */
  trim(): void
  /** Whether all of them are out. */
  busy(): boolean
}

interface Waiter {
  length: number
  take(lane: Lane): void
}

const SMALLEST = 64 * 1024

/** Buffers come in powers of two, so that they fit again when chunks change their length. @returns bytes */
export function capacityFor(length: number): number {
  return Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(length)))
}

/**
 * The lanes of the whole agent, however many jobs run. Their buffers are reused, and take up `budget` bytes at most: a
 * single one that is larger than that is lent only while there is no other.
 */
export function createLanes({ count, budget }: { count: number; budget: number }): Lanes {
  const idle = new Map<number, Buffer[]>()
  const queue: Waiter[] = []
  let allowed = count
  let out = 0
  /** Bytes of all buffers, lent and idle. */
  let held = 0

  const dropIdle = (needed: number): void => {
    for (const [capacity, buffers] of idle) {
      while (held + needed > budget && buffers.length > 0) {
        buffers.pop()
        held -= capacity
      }
    }
  }

  const bufferOf = (capacity: number): Buffer | undefined => {
    const known = idle.get(capacity)?.pop()
    if (known) return known
    dropIdle(capacity)
    if (held + capacity > budget && held > 0) return undefined
    held += capacity
    // Shared, so that a thread can hash it where it lies.
    return Buffer.from(new SharedArrayBuffer(capacity))
  }

  const lend = (buffer: Buffer): Lane => {
    const users: Promise<unknown>[] = []
    let lent = true
    const giveBack = (): void => {
      const buffers = idle.get(buffer.length) ?? []
      buffers.push(buffer)
      idle.set(buffer.length, buffers)
      out -= 1
      serve()
    }
    return {
      bytes(length) {
        if (!lent) throw new Error('This lane was released already.')
        return buffer.subarray(0, length)
      },
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
    if (out >= allowed) return undefined
    const buffer = bufferOf(capacityFor(length))
    if (!buffer) return undefined
    out += 1
    return lend(buffer)
  }

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
        // It may have been too large for what there is, and stood before others.
        serve()
      }
      queue.push(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })

  return {
    async acquire(length, signal) {
      signal.throwIfAborted()
      return (queue.length === 0 && tryLend(length)) || enqueue(length, signal)
    },
    resize(wanted) {
      allowed = wanted
      serve()
    },
    trim() {
      for (const [capacity, buffers] of idle) held -= capacity * buffers.length
      idle.clear()
    },
    busy: () => out >= allowed,
  }
}
