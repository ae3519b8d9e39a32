import { ConfigError } from '../shared/env.ts'
import { messageOf } from '../shared/errors.ts'
import { BackupError } from './backup/errors.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { MoveError } from './move/errors.ts'
import { NewerDatabaseError } from './stores/newer-database.ts'

/** A failure that ends the program, as lines for people, and as what a script is told. */
export interface Explained {
  code: string
  lines: string[]
  exitCode: ExitCode
}

export function explain(error: unknown): Explained {
  const explained = (code: string, exitCode: ExitCode): Explained => ({ code, lines: [messageOf(error)], exitCode })
  if (error instanceof ConfigError) return { code: 'config', lines: error.mistakes, exitCode: exitCodes.refused }
  if (error instanceof NewerDatabaseError) return explained('database-newer', exitCodes.newerDatabase)
  if (error instanceof MoveError) {
    const refused = error.code === 'not-empty' || error.code === 'moved'
    return explained(error.code, refused ? exitCodes.refused : exitCodes.failed)
  }
  if (!(error instanceof BackupError)) return explained('failed', exitCodes.failed)
  if (error.code === 'backup-newer') return explained(error.code, exitCodes.newerDatabase)
  const refused = error.code === 'not-a-backup' || error.code === 'not-empty'
  return explained(error.code, refused ? exitCodes.refused : exitCodes.failed)
}
