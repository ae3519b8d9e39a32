import { CommanderError } from 'commander'
import { systemCode } from '../shared/errors.ts'
import { createConnect, type Surroundings } from './context.ts'
import { explain } from './errors.ts'
import { exitCodes, type ExitCode } from './exit-codes.ts'
import { createProgram } from './program.ts'

/**
 * Runs one command, and says what went wrong in one line on standard error.
 * @param argv the arguments after the program's name
 * @returns the exit code; never rejects
 */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const program = createProgram(surroundings, createConnect(surroundings))
  try {
    if (argv.length === 0) program.help()
    await program.parseAsync(argv, { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    // Commander has said already what is wrong, or has shown its help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.refused
    if (surroundings.signal.aborted) return exitCodes.interrupted
    // Whoever read our output has enough of it: `backhaul downloads | head -1`.
    if (systemCode(error) === 'EPIPE') return exitCodes.ok
    const { line, exitCode } = explain(error)
    surroundings.stderr.write(`${line}\n`)
    return exitCode
  }
}
