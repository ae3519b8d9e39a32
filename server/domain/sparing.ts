import { keepNewest } from './keep-newest.ts'

/** Of the time, at most one part in so many is spent on an answer that is asked for again and again. */
const SHARE = 100

/**
 * Answers from what was made last until the time that this took has passed a hundred times: pages ask every second, and
 * there can be many. Who asks meanwhile shares what is being made.
 */
export function sparing<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  /** On the clock that never goes back, in ms. */
  let until = 0
  return () => {
    if (made !== undefined && performance.now() < until) return made
    const begun = performance.now()
    const making = make()
    made = making
    until = Infinity
    making.then(
      () => (until = performance.now() + (performance.now() - begun) * SHARE),
      () => (until = 0),
    )
    return making
  }
}

/** The same for each key by itself; of more than `most` keys the one that was asked for longest ago is forgotten. */
export function sparingBy<T>(most: number): (key: string, make: () => Promise<T>) => Promise<T> {
  const kept = new Map<string, () => Promise<T>>()
  return (key, make) => {
    const answer = kept.get(key) ?? sparing(make)
    keepNewest(kept, [key, answer], most)
    return answer()
  }
}
