import { isAppError, messageOf, systemCode } from '../shared/errors.ts'
import { printable } from '../shared/format.ts'
import { exitCodeOf, exitCodes, type ExitCode } from './exit-codes.ts'

/** A failure to be shown as one line. `code` is stable; a server newer than this program may send codes of its own. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: string
  readonly exitCode: ExitCode

  /** @param status the HTTP status that it came with, if any */
  constructor(code: string, message: string, options: ErrorOptions & { status?: number } = {}) {
    super(message, options)
    this.code = code
    this.exitCode = exitCodeOf(code, options.status)
  }
}

/** Whether the same request may succeed a little later: the server restarts, or a connection broke. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof CliError)) return false
  return error.exitCode === exitCodes.unreachable || error.code === 'connection-broken'
}

/** `error` as the one line that a user sees, safe for a terminal, and the exit code that goes with it. */
export function explain(error: unknown): { line: string; exitCode: ExitCode } {
  if (error instanceof CliError) return { line: oneLine(error.message, error.code), exitCode: error.exitCode }
  if (isAppError(error)) return { line: oneLine(error.message, error.code), exitCode: exitCodeOf(error.code) }
  return { line: oneLine(messageOf(error), systemCode(error) ?? 'internal'), exitCode: exitCodes.failed }
}

function oneLine(message: string, code: string): string {
  return `backhaul: ${printable(message.trim().replace(/\s*\n\s*/g, ' '))} (${printable(code)})`
}
