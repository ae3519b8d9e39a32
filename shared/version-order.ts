/** As semver.org 2.0.0 has it; what follows a `+` says nothing of the order. */
const pattern =
  /^(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/

type Order = -1 | 0 | 1

/**
 * Whether version `a` comes after version `b`, by semver's precedence. Of what is no version nothing is newer, and it is
 * newer than nothing.
 */
export function isNewer(a: string, b: string): boolean {
  const [ours, theirs] = [pattern.exec(a), pattern.exec(b)]
  if (!ours || !theirs) return false
  for (const part of [1, 2, 3]) {
    const order = compare(ours[part] ?? '', theirs[part] ?? '')
    if (order !== 0) return order > 0
  }
  return comparePreReleases(ours[4], theirs[4]) > 0
}

/** One without is the release itself, which comes after all that led to it. */
function comparePreReleases(a: string | undefined, b: string | undefined): Order {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1
  const [ours, theirs] = [a.split('.'), b.split('.')]
  for (const [index, each] of ours.entries()) {
    const other = theirs[index]
    if (other === undefined) return 1
    const order = compare(each, other)
    if (order !== 0) return order
  }
  return ours.length < theirs.length ? -1 : 0
}

/** Numbers by value, and before words; words by their bytes. */
function compare(a: string, b: string): Order {
  const [first, second] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (first !== second) return first ? -1 : 1
  if (!first) return a < b ? -1 : a > b ? 1 : 0
  const [x, y] = [BigInt(a), BigInt(b)]
  return x < y ? -1 : x > y ? 1 : 0
}
