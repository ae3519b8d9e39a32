import { failureCodes } from './protocol.ts'

/**
 * Every code that a user, a script or an agent can meet. They are stable: scripts compare them.
 * How a code becomes an HTTP status is said in server/http/problem.ts; this file knows no HTTP.
 */
export const errorCodes = [
  // what was sent is wrong
  'invalid',
  'range-invalid',
  'length-required',
  'digest-invalid',
  'digest-mismatch',
  'too-large',
  'unsupported-media-type',
  'method-not-allowed',
  'body-timeout',
  'protocol-unsupported',
  'session-required',
  'idempotency-mismatch',
  // who asks is not known, or may not
  'unauthenticated',
  'not-permitted',
  'too-many-requests',
  'too-many-waiting',
  'too-many-listeners',
  'enrolment-spent',
  'key-revoked',
  'token-unknown',
  'credential-unknown',
  // what was asked for is not there
  'route-unknown',
  'client-unknown',
  'client-offline',
  'client-not-connected',
  'client-timeout',
  'download-unknown',
  'release-unknown',
  'update-unknown',
  'content-removed',
  // the state does not allow it
  'session-held',
  'session-superseded',
  'session-unknown',
  'attempt-superseded',
  'range-conflict',
  'incomplete',
  'job-gone',
  'source-changed',
  'name-taken',
  'no-room',
  'over-quota',
  'not-retryable',
  'already-finished',
  'not-finished',
  'update-unsupported',
  'up-to-date',
  'already-fetched',
  'range-not-satisfiable',
  'begin-timeout',
  'content-broken',
  'store-busy',
  'store-full',
  'shutting-down',
  'internal',
  // why a job failed, as the agent reports it
  ...failureCodes,
  // why a download ended otherwise
  'cancelled',
  'expired',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** Members that a problem carries besides its code: `field`, `missing`, `received`, `retryAfter` (s) … */
export type ErrorDetails = Record<string, unknown>

/** An error that is meant to be shown: what happened, to which thing, and what to do. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.details = details
  }
}

/** Whether `error` is an AppError, of one of `codes` when any are given. */
export function isAppError(error: unknown, ...codes: ErrorCode[]): error is AppError {
  return error instanceof AppError && (codes.length === 0 || codes.includes(error.code))
}

/** The `code` of a Node.js system error (`ENOENT`), or undefined. Works across realms, where instanceof does not. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** One line that describes any thrown value. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
  return String(error)
}
