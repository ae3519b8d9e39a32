/** What the program tells a script, and the system's service manager. The texts are shown by `--help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  refused: 2,
  newerDatabase: 3,
  interrupted: 130,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export const exitCodeHelp = `Exit codes:
  0    it worked
  1    it failed; of a backup or a move: something is missing or damaged at the server, and named
  2    wrong usage, or a mistake in the configuration
  3    the database, or the backup, is of a newer program
  130  interrupted`
