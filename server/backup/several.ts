/** Files that are copied beside each other: while one waits for its sync, others are read and hashed. */
export const AT_ONCE = 8

/** Does `work` for each item, for some of them at once. Once it fails, no other is begun. @throws the first failure */
export async function several<T>(items: Iterable<T>, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failure: { error: unknown } | undefined

  const one = async (): Promise<void> => {
    while (!failure) {
      try {
        const next = iterator.next()
        if (next.done) return
        await work(next.value)
      } catch (error) {
        failure ??= { error }
      }
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, one))
  if (failure) throw failure.error
}
