/** What is told within this time, in ms, is remembered as one. */
const STEP = 250

/** Remembers when bytes came, to tell how many of them came long ago. */
export interface Lag {
  told(bytes: number): void
  /** Bytes that were told at least `age` ms ago, of all that ever were. */
  due(): number
}

/** @param deps.age in ms @param deps.now ms on a clock that never goes back */
export function createLag({ age, now }: { age: number; now: () => number }): Lag {
  const recent: { at: number; bytes: number }[] = []
  let due = 0

  return {
    told(bytes) {
      const last = recent.at(-1)
      if (last && now() - last.at < STEP) last.bytes += bytes
      else recent.push({ at: now(), bytes })
    },
    due() {
      while (recent[0] && now() - recent[0].at >= age) due += recent.shift()!.bytes
      return due
    },
  }
}
