/**
 * How much may be sent: a rate in bytes per second, `Infinity` without a limit and 0 for nothing at all; or a share of
 * what the line gives, in (0, 1).
 */
export type Bandwidth = { readonly rate: number } | { readonly share: number }

export const unlimited: Bandwidth = { rate: Number.POSITIVE_INFINITY }

/** In bytes per second. Less would hold a single chunk up for longer than anything on the way keeps a request open. */
export const SLOWEST = 1000

/** What a bandwidth may look like, for messages. */
export const bandwidthForms = '2mbit, 500kbit, 1.5 Mbit/s, 250KB/s, 1MiB/s, 30%, unlimited or off'

const bits: Readonly<Record<string, number>> = { bit: 1 / 8, kbit: 125, mbit: 125e3, gbit: 125e6 }
/** With a capital B, for nobody knows whether `b` means bits. */
const bytes: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
}

/** @throws Error that completes "NAME …" */
export function parseBandwidth(text: string): Bandwidth {
  const word = text.toLowerCase()
  if (word === 'unlimited') return unlimited
  if (word === 'off' || word === '0') return { rate: 0 }
  const share = /^(\d{1,3}(?:\.\d{1,3})?)\s*%$/.exec(text)
  return share ? parseShare(text, Number(share[1])) : { rate: parseRate(text) }
}

function parseShare(text: string, percent: number): Bandwidth {
  if (percent < 1 || percent > 100) throw new Error(`must be a share from 1% to 100%, not "${text}"`)
  return percent === 100 ? unlimited : { share: percent / 100 }
}

function parseRate(text: string): number {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)\s*([a-z]+)(?:\/s)?$/i.exec(text)
  const unit = match?.[2] ?? ''
  const factor = bits[unit.toLowerCase()] ?? bytes[unit]
  if (/^[kmg]i?b$/i.test(unit) && factor === undefined)
    throw new Error(`must say whether bits or bytes are meant, as 2mbit or 2MB do, and not "${text}"`)
  if (!match || factor === undefined) throw new Error(`must read like ${bandwidthForms}, not "${text}"`)
  const rate = Number(match[1]) * factor
  if (rate < SLOWEST) throw new Error(`must be at least 8kbit, or off, not "${text}"`)
  return rate
}

export function isSame(a: Bandwidth, b: Bandwidth): boolean {
  return 'rate' in a ? 'rate' in b && a.rate === b.rate : 'share' in b && a.share === b.share
}

/** `2 Mbit/s`, `30 % of the line`, `unlimited`, `off`. */
export function describeBandwidth(bandwidth: Bandwidth): string {
  if ('share' in bandwidth) return `${Number((bandwidth.share * 100).toFixed(3))} % of the line`
  if (bandwidth.rate === 0) return 'off'
  return bandwidth.rate === Number.POSITIVE_INFINITY ? 'unlimited' : formatRate(bandwidth.rate)
}

/** Bytes per second as people name the speed of a line: `2 Mbit/s`. */
export function formatRate(rate: number): string {
  const names = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']
  const step = Math.min(names.length - 1, Math.max(0, Math.floor(Math.log10(rate * 8) / 3)))
  return `${Number(((rate * 8) / 1000 ** step).toPrecision(4))} ${names[step]}`
}
