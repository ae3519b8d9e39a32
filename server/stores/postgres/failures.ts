import { AppError, messageOf, systemCode } from '../../../shared/errors.ts'
import { PerhapsDone } from '../../ports.ts'

const UNREACHABLE = 'The database cannot be reached, or is starting; try again.'
const SLOW = 'The database did not answer in time; try again.'
const REFUSED = 'The database does not let the server in; check the user, password and name in DATABASE_URL.'

/** PostgreSQL's codes that tell of a state which may pass, the first that fits: a whole code, or the class of one. */
const notNow: readonly (readonly [code: string, ours: 'store-busy' | 'store-full', message: string])[] = [
  ['53100', 'store-full', 'The database has no room left on its disk; free some.'],
  ['53200', 'store-busy', 'The machine has no memory left for the database.'],
  ['53300', 'store-busy', 'The database has no connection left; raise its max_connections if this lasts.'],
  ['53', 'store-busy', 'The database lacks what it needs; its log may say what.'],
  ['08', 'store-busy', UNREACHABLE],
  ['57014', 'store-busy', SLOW],
  ['55P03', 'store-busy', SLOW],
  ['57P', 'store-busy', UNREACHABLE],
  ['25P03', 'store-busy', SLOW],
  ['40', 'store-busy', 'Others are changing the same in the database; try again.'],
  [
    '25006',
    'store-busy',
    'The database can only be read, as a standby can; let DATABASE_URL name the one that is written.',
  ],
  ['58', 'store-busy', 'The disk of the database fails; the log of its server may say why.'],
  ['28', 'store-busy', REFUSED],
  ['3D', 'store-busy', REFUSED],
]

/** What the driver says itself, without a code. */
const CUT = /^(Connection terminated|Client has encountered a connection error|The server does not support SSL)/
/** ECONNRESET and its like, and not what TLS says of a certificate. */
const SYSTEM = /^E(?!RR_)[A-Z_]+$/
const TIMED_OUT = /^(Query read timeout|timeout exceeded|timeout expired)/i

/** `40P01`, as PostgreSQL codes what happened (its manual, appendix A); undefined for any other error. */
export function sqlState(error: unknown): string | undefined {
  const code = systemCode(error)
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && isAnswer(error) ? code : undefined
}

/** EPIPE looks like a code of PostgreSQL's: only those come with a severity. */
function isAnswer(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error
}

/** Whether the connection is of no more use: what was asked last has been done, or not. */
export function isCut(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return /^(08|57P|25P03|25006)/.test(state)
  return SYSTEM.test(systemCode(error) ?? '') || CUT.test(messageOf(error)) || TIMED_OUT.test(messageOf(error))
}

/** Whether a connection that could not be made may be there in a moment: the database starts, or another takes over. */
export function mayBeThereSoon(error: unknown): boolean {
  const state = sqlState(error)
  return isCut(error) || state?.startsWith('53') === true
}

/** Whether two transactions stood in each other's way, and this one was undone for it. */
export function isCollision(error: unknown): boolean {
  return /^40(001|P01)$/.test(sqlState(error) ?? '')
}

/** Whether a row with that key is there already. */
export function isDuplicate(error: unknown): boolean {
  return sqlState(error) === '23505'
}

/** An error of the database, or of the way to it, as ours, so that a caller hears whether to come again; any other as it is. */
export function translated(error: unknown): unknown {
  if (error instanceof AppError) return error
  const state = sqlState(error)
  if (state === undefined) {
    if (!isCut(error)) return error
    const message = TIMED_OUT.test(messageOf(error)) ? SLOW : UNREACHABLE
    return new AppError('store-busy', message, {}, { cause: error })
  }
  const [, ours, message] = notNow.find(([code]) => state.startsWith(code)) ?? []
  if (ours === undefined || message === undefined) return new Error(`database: ${messageOf(error)}`, { cause: error })
  return new AppError(ours, message, {}, { cause: error })
}

/** The failure of a change over a connection that broke, when nobody knows how far it came. */
export function perhapsDone(error: unknown): unknown {
  const ours = translated(error)
  return ours instanceof AppError ? new PerhapsDone(ours.code, ours.message, ours.details, { cause: error }) : ours
}
