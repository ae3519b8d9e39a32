import { setImmediate } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { mayPath, type Principal } from '../domain/access/principal.ts'

/** How many rows one call looks through for those that its caller may see. */
const LOOKED_THROUGH = 5_000
/** Rows that are looked through at once; others have their turn between. */
const AT_ONCE = 500

/** @throws AppError `not-permitted` */
export function checkPath(principal: Principal, path: string | null): void {
  if (mayPath(principal, path)) return
  const what = path === null ? 'the default file' : `"${path.slice(0, 200)}"`
  throw new AppError('not-permitted', `This token is for other paths than ${what}.`)
}

/**
 * A page of what the caller may see, and asked for. It can have fewer rows than that although there are more: `next` says so.
 * @param limit rows of the page, at most
 * @param list the rows behind a cursor, so many at most
 * @param within rows that are looked through, at most; where that ends it, `next` tells of a row that is not in the page
 */
export async function permittedPage<Row, Cursor extends string | number>({
  list,
  cursor,
  cursorOf,
  limit,
  within = LOOKED_THROUGH,
  may,
}: {
  list: (cursor: Cursor | undefined, limit: number) => Promise<Row[]>
  cursor: Cursor | undefined
  cursorOf: (row: Row) => Cursor
  limit: number
  within?: number
  may: (row: Row) => boolean
}): Promise<{ page: Row[]; next: string | null }> {
  const page: Row[] = []
  let at = cursor
  for (let seen = 0; seen < within;) {
    // One more than is looked at says whether there is a next page.
    const size = seen === 0 ? limit : Math.max(limit, AT_ONCE)
    const rows = await list(at, size + 1)
    const last = rows.length <= size
    for (const row of rows.slice(0, size)) {
      if (page.length === limit) return { page, next: String(at) }
      if (may(row)) page.push(row)
      at = cursorOf(row)
    }
    if (last) return { page, next: null }
    if (page.length === limit) return { page, next: String(at) }
    seen += rows.length
    await setImmediate()
  }
  return { page, next: String(at) }
}
