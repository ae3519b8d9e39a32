/** In ms: what is shown is looked at so often at most. */
const CLOSEST = 1_000

/** Looks again when there may be something new, one look at a time, and never while nobody sees it. */
export interface Refresher {
  /** There may be something new. */
  ask(): void
  /** Resolves after a look that began after this. */
  now(): Promise<void>
  /** The same at once: what is shown is another, and whatever is being looked at for the one before can take its time. */
  anew(): Promise<void>
}

export function createRefresher({
  look,
  again,
}: {
  /** Never fails. */
  look: () => Promise<void>
  /** In ms, from one look's end to the next one when nothing asks for it; undefined: not at all. */
  again: () => number | undefined
}): Refresher {
  let timer: ReturnType<typeof setTimeout> | undefined
  let looking: Promise<void> | undefined
  let last = -Infinity
  let due = false

  const begin = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    due = false
    last = performance.now()
    const mine = look().finally(() => {
      if (looking !== mine) return
      looking = undefined
      plan()
    })
    looking = mine
    return mine
  }

  const plan = (): void => {
    if (looking || document.hidden) return
    const wait = due ? 0 : again()
    if (wait === undefined) return
    clearTimeout(timer)
    const soonest = last + CLOSEST - performance.now()
    timer = setTimeout(() => void begin(), Math.max(wait, soonest, 0))
  }

  const ask = (): void => {
    due = true
    plan()
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) clearTimeout(timer)
    else ask()
  })

  return {
    ask,
    async now() {
      // What runs may have begun before what the caller did.
      await looking
      await (looking ?? begin())
    },
    anew: begin,
  }
}
