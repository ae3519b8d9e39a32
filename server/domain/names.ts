import type { DownloadRecord } from '../ports.ts'

/** Final names hold at most this many bytes, so that any file system takes them with room for a suffix. */
const MAX_BYTES = 200

/** The last component of a path as the site wrote it, with / or \ between components. */
export function baseName(path: string): string {
  return path.split(/[/\\]/).findLast((component) => component !== '') ?? ''
}

/** A base name that is safe in a folder, a header, a log line and a terminal: no separators, no control characters. */
export function safeName(path: string): string {
  const name = baseName(path)
    .replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '_')
    .toWellFormed()
  return name === '' || name === '.' || name === '..' ? 'file' : name
}

/** The first `bytes` bytes of a name at a character's boundary, its extension kept. */
export function cutName(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  const extension = /\.[^.]{1,20}$/.exec(name)?.[0] ?? ''
  const room = bytes - Buffer.byteLength(extension)
  let stem = ''
  let used = 0
  for (const character of name.slice(0, name.length - extension.length)) {
    used += Buffer.byteLength(character)
    if (used > room) break
    stem += character
  }
  return stem + extension
}

/** Names that a finished download can have, best first: `ID_name`, then with a timestamp, then with a number, too. */
export function* finalNames(
  download: Pick<DownloadRecord, 'clientId' | 'naming' | 'path' | 'sourcePath'>,
  now: number,
): Generator<string> {
  const name = safeName(download.sourcePath ?? download.path ?? 'file')
  const fit = (prefix: string): string => prefix + cutName(name, MAX_BYTES - Buffer.byteLength(prefix))
  if (download.naming === 'plain') yield fit(`${download.clientId}_`)
  const stamp = new Date(now).toISOString().replace(/[-:.]/g, '')
  yield fit(`${download.clientId}_${stamp}_`)
  for (let number = 2; number < 1000; number += 1) yield fit(`${download.clientId}_${stamp}-${number}_`)
}
