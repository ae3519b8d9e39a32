import { ConfigError } from '../../../shared/env.ts'
import { messageOf } from '../../../shared/errors.ts'
import { agentCommand, flagsOf, typed, variables } from '../../flags.ts'
import type { PathRules } from '../../platform/paths.ts'
import type { Variables } from '../env-file.ts'
import { fileFlags, textsOf, variablesOf, type FileFlag } from '../options.ts'

/** What `service install` was told; what was not said stays as it is. */
export interface AskedDaemon {
  variables: Variables
  /** Files that are taken over, absolute. */
  files: Partial<Record<FileFlag, string>>
}

/** The variable by which the agent is told of such a file. */
export const variableOf = (flag: FileFlag): string => variables[flag]

/**
 * Reads the flags of `service install` where there is no systemd: those of the agent.
 * @param name of what starts it
 * @throws ConfigError naming every mistake; CommanderError after `--help`
 */
export function parseDaemonInstall(argv: readonly string[], name: string, { path }: PathRules): AskedDaemon {
  const program = agentCommand('backhaul-agent service install')
    .description(`Has ${name} run the agent, from now on and after every start of the machine.`)
    .addHelpText('after', '\nRun again, it changes what is named and keeps everything else.')
  const flags = flagsOf(program.parse(argv, { from: 'user' }))
  const { unknown, ...given } = flags
  const roots = textsOf(flags.root)
  const mistakes = [
    ...unknown.map((argument) => `${argument} is not known here; --help lists what is`),
    ...Object.entries(given)
      .filter(([, value]) => value === true || value === '' || (Array.isArray(value) && value.some(isEmpty)))
      .map(([flag]) => `${typed(flag)} needs a value`),
    ...(['stateDir', 'logFile', 'settings'] as const)
      .filter((flag) => given[flag] !== undefined)
      .map((flag) => `${typed(flag)} cannot be chosen: a service has its own`),
    ...(roots ?? [])
      .filter((root) => root.includes(path.delimiter))
      .map((root) => `--root ${JSON.stringify(root)} cannot hold a ${path.delimiter}`),
  ]
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const shared = roots?.map((root) => path.resolve(root)).join(path.delimiter)
  return {
    variables: { ...variablesOf(flags), ...(shared === undefined ? {} : { ROOTS: shared }) },
    files: Object.fromEntries(
      fileFlags.flatMap((flag) => (typeof flags[flag] === 'string' ? [[flag, path.resolve(flags[flag])]] : [])),
    ),
  }
}

const isEmpty = (value: unknown): boolean => value === true || value === ''

/** @throws ConfigError for a file that cannot be read */
export async function contentOf(flag: FileFlag, read: Promise<string>): Promise<string> {
  return read.catch((error: unknown) => {
    throw new ConfigError([`${typed(flag)} cannot be read: ${messageOf(error)}`])
  })
}
