import { setImmediate } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { mayPath, type Principal } from '../domain/access/principal.ts'
import type { DownloadFilter, DownloadRecord } from '../ports.ts'

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
 * A page of what the caller may see. It can have fewer rows than asked for although there are more: `next` says so.
 * @param filter.limit rows of the page, at most
 */
export async function permittedPage({
  list,
  filter,
  may,
}: {
  list: (filter: DownloadFilter) => Promise<DownloadRecord[]>
  filter: DownloadFilter
  may: (download: DownloadRecord) => boolean
}): Promise<{ page: DownloadRecord[]; next: string | null }> {
  const page: DownloadRecord[] = []
  const { limit } = filter
  let { before } = filter
  for (let seen = 0; seen < LOOKED_THROUGH;) {
    // One more than is looked at says whether there is a next page.
    const size = seen === 0 ? limit : Math.max(limit, AT_ONCE)
    const rows = await list({ ...filter, before, limit: size + 1 })
    const last = rows.length <= size
    for (const row of rows.slice(0, size)) {
      if (page.length === limit) return { page, next: String(before) }
      if (may(row)) page.push(row)
      before = row.seq
    }
    if (last) return { page, next: null }
    if (page.length === limit) return { page, next: String(before) }
    seen += rows.length
    await setImmediate()
  }
  return { page, next: String(before) }
}
