const bytesIn: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}
const secondsIn: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 24 * 3600, w: 7 * 24 * 3600 }

/**
 * A size in bytes: `262144`, `512KiB`, `1MB`; an empty text is none.
 * @param smallest the least that is allowed, in bytes
 * @throws Error that completes "NAME …"
 */
export function parseSize(text: string, smallest: number): number | undefined {
  if (text === '') return undefined
  const match = /^(\d{1,15})\s*([a-z]*)$/i.exec(text)
  const unit = bytesIn[match?.[2]?.toLowerCase() || 'b']
  if (!match || unit === undefined) throw new Error(`must be a size such as 262144, 512KiB, 1MiB or 1MB, not "${text}"`)
  const size = Number(match[1]) * unit
  if (size < smallest) throw new Error(`must be at least ${smallest} bytes, not "${text}"`)
  return size
}

/** A time in seconds: `3600`, `90s`, `30m`, `12h`, `7d`, `2w`; undefined for any other form. */
export function secondsOf(text: string): number | undefined {
  const match = /^(\d{1,9})([smhdw]?)$/.exec(text.trim())
  const unit = secondsIn[match?.[2] || 's']
  return match && unit !== undefined ? Number(match[1]) * unit : undefined
}
