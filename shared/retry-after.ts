/**
 * Retry-After in ms (RFC 9110 §10.2.3), at most `mostMs`; undefined for what is none. A date is measured against the answer's
 * own, not against our clock.
 */
export function retryAfterMs(header: string | undefined, date: string | undefined, mostMs: number): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - (date ? Date.parse(date) : Date.now())
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), mostMs)
}
