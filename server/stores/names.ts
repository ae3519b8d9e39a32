/** Names that differ only in case or in Unicode form are the same on some file systems: they have the same key. */
export function nameKey(name: string): string {
  return name.normalize('NFC').toLowerCase()
}
