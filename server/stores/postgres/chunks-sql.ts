/**
 * The rows of an attempt that share a byte with [start, end), as a SELECT; each of the four is an SQL expression. As rows
 * of one attempt never overlap, only the last that begins before may reach in.
 */
export function overlappingSql(id: string, attempt: string, start: string, end: string): string {
  const own = `download_id = ${id} AND attempt = ${attempt}`
  return `SELECT start, "end", digest, tag FROM chunks WHERE ${own} AND start < ${end} AND "end" > ${start}
    AND start >= coalesce((SELECT max(start) FROM chunks WHERE ${own} AND start <= ${start}), 0)`
}
