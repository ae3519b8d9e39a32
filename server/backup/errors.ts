import { systemCode } from '../../shared/errors.ts'

/** What can be said of a backup; scripts compare the codes. */
export type BackupCode =
  /** There is nothing to back up. */
  | 'no-data'
  /** What was given as a backup's folder is none, or holds something else. */
  | 'not-a-backup'
  /** A backup without its manifest: it was cut off. */
  | 'backup-unfinished'
  /** Its bytes are not those that it says. */
  | 'backup-damaged'
  /** Another run, or a server, has the folder. */
  | 'in-use'
  /** Where it was to be restored to there is something. */
  | 'not-empty'
  | 'disk-full'

/** A backup, or a restore, that cannot be made: what happened, to what, and what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
  readonly code: BackupCode

  constructor(code: BackupCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** SQLite's result code for a disk without room. */
const SQLITE_FULL = 13

/** A failure as it is told: a full disk with its folder, anything else as it is. */
export function tellingOfRoom(error: unknown, folder: string, advice: string): unknown {
  const sqlite = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0
  const full = systemCode(error) === 'ENOSPC' || systemCode(error) === 'EDQUOT' || sqlite === SQLITE_FULL
  if (!full) return error
  return new BackupError('disk-full', `There is no room left in ${folder}; ${advice}.`, { cause: error })
}
