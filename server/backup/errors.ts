import { messageOf, systemCode } from '../../shared/errors.ts'
import { primaryCode, SQLITE_FULL } from '../stores/sqlite/codes.ts'

/** What can be said of a backup; scripts compare the codes. */
export type BackupCode =
  /** The database cannot be read, or not by whoever runs this. */
  | 'not-readable'
  /** There is nothing to back up. */
  | 'no-data'
  /** What was given as a backup's folder is none, or holds something else. */
  | 'not-a-backup'
  /** A backup without its manifest: it was cut off. */
  | 'backup-unfinished'
  /** Of a newer program: this one would misunderstand it. */
  | 'backup-newer'
  /** Its bytes are not those that it says. */
  | 'backup-damaged'
  /** Another run, or a server, has the folder. */
  | 'in-use'
  /** Where it was to be restored to there is something. */
  | 'not-empty'
  | 'disk-full'
  /** Hard links were asked for where there can be none. */
  | 'no-links'

/** A backup, or a restore, that cannot be made: what happened, to what, and what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
  readonly code: BackupCode

  constructor(code: BackupCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** A failure as it is told: a full disk with its folder, anything else as it is. */
export function tellingOfRoom(error: unknown, folder: string, advice: string): unknown {
  const code = systemCode(error)
  const full = code === 'ENOSPC' || code === 'EDQUOT' || primaryCode(error) === SQLITE_FULL
  if (!full) return error
  return new BackupError('disk-full', `There is no room left in ${folder}; ${advice}.`, { cause: error })
}

/** SQLite's result codes for what the system refuses: PERM, READONLY, CANTOPEN. */
const NOT_ALLOWED: ReadonlySet<number> = new Set([3, 8, 14])

/** A failure to copy a database: SQLite does not say of which. */
export function tellingOfDatabase(error: unknown, path: string): unknown {
  const code = primaryCode(error)
  if (code === undefined || code === SQLITE_FULL) return error
  const advice = NOT_ALLOWED.has(code) ? '; run this as the user that the server runs as' : ''
  return new BackupError('not-readable', `${path} cannot be copied: ${messageOf(error)}${advice}.`, { cause: error })
}
