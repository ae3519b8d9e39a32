import { Command, CommanderError } from 'commander'
import { readFile } from 'node:fs/promises'
import { parseEnv } from 'node:util'
import { ConfigError, type Environment } from '../../shared/env.ts'
import { messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/format.ts'
import { onShutdown } from '../../shared/shutdown.ts'
import { readConfig, readMoveTarget, type Config } from '../config.ts'
import { exitCodeHelp, exitCodes, type ExitCode } from '../exit-codes.ts'
import { explain } from '../explain.ts'
import { backup, type BackupFlags } from './backup.ts'
import type { MoveFlags } from './move.ts'
import { restore, type RestoreFlags } from './restore.ts'
import { createScreen } from './screen.ts'

/** What the commands need of the process. */
export interface Surroundings {
  env: Environment
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  version: string
  /** Runs the server; returns once it listens. */
  serve: (config: Config) => Promise<void>
}

interface Shared {
  json?: boolean
  quiet?: boolean
}

const help = `
Without a command, the server runs. Its configuration comes from the environment, as the README lists it.

${exitCodeHelp}`

/**
 * Runs what the command line says.
 * @param argv without the interpreter and the script
 * @returns the exit code; undefined where the server runs from now on
 * @throws ConfigError
 */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<ExitCode | undefined> {
  const { stdout, stderr, version, serve } = surroundings
  let exitCode: ExitCode | undefined = exitCodes.ok

  /** Runs a command that ends, and says how it ended. */
  const ending =
    <F extends Shared>(command: (given: F, screen: Screen) => Promise<ExitCode>) =>
    async (flags: F): Promise<void> => {
      const screen = createScreen({ stdout, stderr, json: flags.json === true, quiet: flags.quiet === true })
      onShutdown(
        async () => screen.stop(),
        () => process.exit(exitCodes.interrupted),
      )
      try {
        exitCode = await command(flags, screen)
      } catch (error) {
        const explained = explain(error)
        screen.failed(explained)
        exitCode = explained.exitCode
      } finally {
        screen.stop()
      }
    }

  const environment = async (): Promise<Environment> => {
    const { config: file } = program.opts<{ config?: string }>()
    return { ...(file === undefined ? {} : await readConfigFile(file)), ...surroundings.env }
  }
  const config = async (): Promise<Config> => readConfig(await environment())

  const program = new Command('backhaul-server')
    .description('Fetches files from machines that nobody can reach, over plain outbound HTTP.')
    .version(version)
    .option('--config <file>', 'variables that the environment does not have, one NAME=VALUE a line')
    .addHelpText('after', help)
    .exitOverride()
    .allowExcessArguments()
    .action(async () => {
      const [unknown] = program.args
      if (unknown !== undefined)
        throw new ConfigError([`there is no command "${printable(unknown)}"; --help lists them`])
      await serve(await config())
      exitCode = undefined
    })
  program
    .command('backup')
    .description('copies the data of the server of this configuration, which may run meanwhile')
    .argument('<folder>', 'where to; what an earlier backup left there is not copied again')
    .option('--link', 'finished files as hard links: they take up no room, and are gone with the disk')
    .option('--verify', 'compare what is there already with its digests, too')
    .option('--json', 'the result as JSON')
    .option('--quiet', 'nothing but the result')
    .action((folder: string, given: BackupFlags & Shared) =>
      ending<BackupFlags & Shared>(async (flags, screen) =>
        backup({ folder, flags, settings: await config(), screen, version }),
      )(given),
    )
  program
    .command('restore')
    .description('makes the data of the server of this configuration, of which there must be none, from a backup')
    .argument('<folder>', 'the backup')
    .option('--accept-damage', 'restore the rest where something of the backup is missing or damaged')
    .option('--json', 'the result as JSON')
    .option('--quiet', 'nothing but the result')
    .action((folder: string, given: RestoreFlags & Shared) =>
      ending<RestoreFlags & Shared>(async (flags, screen) =>
        restore({ folder, flags, settings: await config(), screen }),
      )(given),
    )
  program
    .command('move')
    .description(
      'moves the data of the server of this configuration, which must be stopped, to the PostgreSQL and S3 of ' +
        'TO_DATABASE_URL and TO_STORAGE_URL; one that was cut off is gone on with',
    )
    .option('--dry-run', 'only say what would be moved')
    .option('--accept-damage', 'move the rest where something is missing or damaged')
    .option('--json', 'the result as JSON')
    .option('--quiet', 'nothing but the result')
    .action(
      ending<MoveFlags & Shared>(async (flags, screen) => {
        const env = await environment()
        // Most commands need neither library.
        const { move } = await import('./move.ts')
        return move({ flags, settings: readConfig(env), to: readMoveTarget(env), screen })
      }),
    )
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has said already what is wrong, or has shown its help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.refused
    throw error
  }
}

type Screen = ReturnType<typeof createScreen>

async function readConfigFile(path: string): Promise<Environment> {
  try {
    return parseEnv(await readFile(path, 'utf8'))
  } catch (error) {
    throw new ConfigError([`--config cannot be read: ${messageOf(error)}`])
  }
}
