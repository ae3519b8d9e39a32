/** Memory of a fixed size, from which buffers of any length are lent. It is taken up only as far as it is used. */
export interface Arena {
  /** A buffer of `length` bytes in shared memory, with leftovers of earlier use, or undefined while there is no room. */
  take(length: number): Buffer | undefined
  giveBack(buffer: Buffer): void
  /** Lets go of the memory, if nobody has any of it. */
  trim(): void
}

interface Span {
  start: number
  end: number
}

const ALIGNMENT = 4096

/** @param size bytes */
export function createArena({ size }: { size: number }): Arena {
  // Shared, so that a thread can hash what lies there.
  let memory: SharedArrayBuffer | undefined
  const taken = new Map<Buffer, Span>()

  /** The first gap that is long enough. */
  const findGap = (length: number): number | undefined => {
    let start = 0
    for (const span of [...taken.values()].toSorted((a, b) => a.start - b.start)) {
      if (span.start - start >= length) return start
      start = span.end
    }
    return size - start >= length ? start : undefined
  }

  return {
    take(length) {
      const whole = Math.ceil(length / ALIGNMENT) * ALIGNMENT
      const start = findGap(whole)
      if (start === undefined) return undefined
      memory ??= new SharedArrayBuffer(size)
      const buffer = Buffer.from(memory, start, length)
      taken.set(buffer, { start, end: start + whole })
      return buffer
    },
    giveBack: (buffer) => void taken.delete(buffer),
    trim() {
      if (taken.size === 0) memory = undefined
    },
  }
}
