import { InvalidArgumentError } from 'commander'
import { messageOf } from '../shared/errors.ts'
import { clientIdPattern, labelKeyPattern } from '../shared/protocol.ts'
import { secondsOf } from '../shared/units.ts'
import { CliError } from './errors.ts'
import { parseServerUrl } from './server-url.ts'

const longest = 365 * 24 * 3600

export const downloadIdPattern = /^[A-Za-z0-9_-]{1,100}$/

/**
 * A time in seconds: `3600`, `90s`, `30m`, `12h`, `7d`, `2w`.
 * @throws InvalidArgumentError for any other form, or outside one second to 365 days
 */
export function parseDuration(text: string): number {
  const seconds = secondsOf(text)
  if (seconds !== undefined && seconds >= 1 && seconds <= longest) return seconds
  throw new InvalidArgumentError('Say seconds, or a number with s, m, h, d or w, such as 7d; 365 days at most.')
}

/**
 * A parser of whole numbers in [min, max].
 * @throws InvalidArgumentError from the parser
 */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** Collects an option that may be given several times. */
export function collect(text: string, before: string[] = []): string[] {
  return [...before, text]
}

/**
 * Collects `key=value` of an option that may be given several times.
 * @throws InvalidArgumentError when it is not of that form
 */
export function collectLabel(text: string, before: string[] = []): string[] {
  const at = text.indexOf('=')
  if (at > 0 && at < text.length - 1 && labelKeyPattern.test(text.slice(0, at))) return [...before, text]
  throw new InvalidArgumentError('It must be KEY=VALUE, such as region=west.')
}

/** @throws InvalidArgumentError when `text` cannot be a client's id */
export function parseClientId(text: string): string {
  if (clientIdPattern.test(text)) return text
  throw new InvalidArgumentError(
    'A client id is 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit; backhaul clients --all lists them.',
  )
}

/** Collects the ids of clients. @throws InvalidArgumentError when `text` cannot be one */
export function collectClientId(text: string, before: string[] = []): string[] {
  return [...new Set([...before, parseClientId(text)])]
}

/** @throws InvalidArgumentError when `text` cannot be a download's id */
export function parseDownloadId(text: string): string {
  if (downloadIdPattern.test(text)) return text
  throw new InvalidArgumentError('That is not the id of a download; backhaul downloads lists them.')
}

/** @throws InvalidArgumentError when `text` is not the address of a server */
export function parseServerOption(text: string): URL {
  try {
    return parseServerUrl(text)
  } catch (error) {
    throw new InvalidArgumentError(`It ${messageOf(error)}.`)
  }
}

/**
 * Reads a word of the command line with one of the parsers above, after commander has done its part.
 * @throws CliError `usage`
 */
export function given<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text)
  } catch (error) {
    throw new CliError('usage', `"${text}" cannot be used. ${messageOf(error)}`, { cause: error })
  }
}
