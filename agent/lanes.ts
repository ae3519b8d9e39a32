/** A chunk buffer on loan. */
export interface Lane {
  /** The first `length` bytes of the buffer, which holds leftovers of earlier use. */
  bytes(length: number): Buffer
  /** Gives the buffer back; again does nothing. */
  release(): void
}

export interface Lanes {
  /**
   * A buffer as soon as one is free, first come, first served.
   * @throws the signal's reason
   */
  acquire(signal: AbortSignal): Promise<Lane>
  readonly count: number
}

interface Slot {
  buffer: Buffer
}

interface Waiter {
  take(slot: Slot): void
}

/**
 * A fixed number of buffers for the whole agent, reused, so that memory stays within `count` chunks
 * however many jobs run.
 */
export function createLanes({ count }: { count: number }): Lanes {
  const free: Slot[] = Array.from({ length: count }, () => ({ buffer: Buffer.alloc(0) }))
  const queue: Waiter[] = []

  const giveBack = (slot: Slot): void => {
    const next = queue.shift()
    if (next) next.take(slot)
    else free.push(slot)
  }

  const lend = (slot: Slot): Lane => {
    let lent = true
    return {
      bytes(length) {
        if (!lent) throw new Error('This lane was released already.')
        if (slot.buffer.length < length) slot.buffer = Buffer.allocUnsafeSlow(length)
        return slot.buffer.subarray(0, length)
      },
      release() {
        if (!lent) return
        lent = false
        giveBack(slot)
      },
    }
  }

  const enqueue = (signal: AbortSignal): Promise<Lane> =>
    new Promise((resolve, reject) => {
      const waiter: Waiter = {
        take(slot) {
          signal.removeEventListener('abort', leave)
          resolve(lend(slot))
        },
      }
      const leave = (): void => {
        queue.splice(queue.indexOf(waiter), 1)
        reject(signal.reason)
      }
      queue.push(waiter)
      signal.addEventListener('abort', leave, { once: true })
    })

  return {
    count,
    async acquire(signal) {
      signal.throwIfAborted()
      const slot = free.pop()
      return slot ? lend(slot) : enqueue(signal)
    },
  }
}
