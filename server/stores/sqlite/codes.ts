/** SQLite's primary result codes that are told apart (sqlite.org/rescode.html). */
export const SQLITE_BUSY = 5
export const SQLITE_FULL = 13

/** The primary result code of an error of SQLite's; undefined for any other. */
export function primaryCode(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined
  return Number(error.errcode) & 0xff
}
