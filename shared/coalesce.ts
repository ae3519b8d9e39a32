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

/** The same for each key by itself. */
export function coalesceBy(work: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const each = new Map<string, { run: () => Promise<void>; callers: number }>()

  return async (key) => {
    const own = each.get(key) ?? { run: coalesce(() => work(key)), callers: 0 }
    each.set(key, own)
    own.callers += 1
    try {
      await own.run()
    } finally {
      own.callers -= 1
      if (own.callers === 0) each.delete(key)
    }
  }
}
