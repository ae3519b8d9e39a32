const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `104857600` as `100.0 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** Seconds as `4 s`, `3 min 20 s`, `2 h 5 min`; `-` when it is not known. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-'
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const unprintable = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** A text that cannot move a terminal's cursor, start a line or turn the reading direction. */
export function printable(text: string): string {
  return text.replace(unprintable, '\ufffd')
}

/** JSON lets some of these characters be. */
const unprintableInJson = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** JSON that is as harmless, and means the same. */
export function escapeJson(json: string): string {
  return json.replace(unprintableInJson, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A text that is meant to be a URL, for a message: without the user and password that it may hold. */
export function withoutUser(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//')
}
