const longestName = 255

/**
 * A file name for this machine out of a name or path that came from elsewhere: its last part, without anything that leads out of a
 * folder, hides the file, or plays with a terminal; 255 bytes at most.
 */
export function safeName(name: string): string {
  const last = name.split(/[/\\]/).findLast((part) => part !== '') ?? ''
  const clean = last
    .replace(/[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069:*?"<>|]/gu, '_')
    .replace(/^\.+/, (dots) => '_'.repeat(dots.length))
  return shorten(clean) || 'download'
}

/** Cuts whole characters off the end of the stem, so that the extension stays. */
function shorten(name: string): string {
  const extension = /\.[^.]{1,20}$/.exec(name)?.[0] ?? ''
  const stem = Array.from(name.slice(0, name.length - extension.length))
  while (stem.length > 0 && Buffer.byteLength(stem.join('') + extension) > longestName) stem.pop()
  return stem.join('') + extension
}
