/**
 * Lets callers share a run of `work`. The run that a caller waits for begins after its call: one that was under way
 * already does not count, so whoever calls meanwhile shares the next. A run that fails fails for all who shared it.
 */
export function coalesce(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  const begin = (): Promise<void> => {
    next = undefined
    return work()
  }

  return () => {
    next ??= last.catch(() => undefined).then(begin)
    last = next
    return next
  }
}
