/** Items in groups of so many, in order; the last may be shorter. */
export function* groupsOf<T>(items: Iterable<T>, length: number): Generator<T[]> {
  let group: T[] = []
  for (const item of items) {
    group.push(item)
    if (group.length < length) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}
