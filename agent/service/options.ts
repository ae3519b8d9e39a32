import { delimiter, resolve } from 'node:path'
import { ConfigError } from '../../shared/env.ts'
import { agentCommand, collect, flagsOf, typed, variables, type Flags } from '../flags.ts'
import type { Variables } from './env-file.ts'

/** What `service install` was told; what was not said stays as it is. */
export interface Asked {
  /** Settings that agent.env holds. */
  variables: Variables
  roots: string[] | undefined
  groups: string[] | undefined
  readAll: boolean | undefined
  /** The file with the key that signs releases, absolute. */
  releaseKey: string | undefined
  /** Whether the server may have this agent updated. */
  updates: boolean | undefined
  /** Files that are taken over, absolute. */
  files: Partial<Record<FileFlag, string>>
}

/** Flags that name a file which the service's user may not read, or which may go. */
export const fileFlags = ['ca', 'cert', 'key', 'enrolFile'] as const
export type FileFlag = (typeof fileFlags)[number]

/** What is taken over is called so, in the folder of settings. */
export const takenNames: Readonly<Record<FileFlag, string>> = {
  ca: 'ca.pem',
  cert: 'client.pem',
  key: 'client.key',
  enrolFile: 'enrol-token',
}

/** What a service takes besides the flags of the agent. */
interface Own {
  group?: false | (string | true)[]
  readAll?: boolean
  releaseKey?: string | true
  updates?: boolean
}

const examples = `
Run again, it changes what is named and keeps everything else. Settings lie in /etc/backhaul-agent/agent.env.

Example:
  backhaul-agent service install --id restaurant_1 --server https://backhaul.example.com \\
    --enrol-file enrol-token --root /var/log/pos --group adm`

/**
 * Reads the flags of `service install`: those of the agent, and what a service has besides.
 * @throws ConfigError naming every mistake; CommanderError after `--help`
 */
export function parseInstall(argv: readonly string[]): Asked {
  const program = agentCommand('backhaul-agent service install')
    .description('Runs the agent as a service of systemd, from now on and after every start of the machine.')
    .option('--group [NAME]', 'read what this group may read; may be repeated', collect)
    .option('--no-group', 'be in no group again')
    .option('--read-all', 'read every file of the machine (CAP_DAC_READ_SEARCH), within what is shared')
    .option('--no-read-all', 'only what the user and its groups may read')
    .option('--release-key [FILE]', 'take updates from the server that are signed with this key; install.sh names it')
    .option('--updates', 'take updates from the server again')
    .option('--no-updates', 'take none, and say so to the server')
    .addHelpText('after', examples)
    .parse(argv, { from: 'user' })
  const flags = flagsOf(program)
  const { group, readAll, releaseKey, updates } = program.opts<Own>()
  const mistakes = mistakesOf({ ...flags, group: group === false ? undefined : group })
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return {
    variables: variablesOf(flags),
    roots: textsOf(flags.root)?.map((root) => resolve(root)),
    groups: group === false ? [] : textsOf(group),
    readAll,
    releaseKey: typeof releaseKey === 'string' ? resolve(releaseKey) : undefined,
    updates,
    files: Object.fromEntries(
      fileFlags.flatMap((name) => (typeof flags[name] === 'string' ? [[name, resolve(flags[name])]] : [])),
    ),
  }
}

function mistakesOf({ unknown, ...given }: Flags & { group: unknown }): string[] {
  const empty = Object.entries(given)
    .filter(([, value]) => (Array.isArray(value) ? value.includes(true) || value.includes('') : value === ''))
    .map(([name]) => name)
  const bare = Object.entries(given)
    .filter(([name, value]) => value === true && !['readAll', 'updates'].includes(name))
    .map(([name]) => name)
  return [
    ...unknown.map((argument) => `${argument} is not known; --help lists what is`),
    ...[...empty, ...bare].map((name) => `${typed(name)} needs a value`),
    ...(given.settings === undefined ? [] : ['--settings cannot be chosen: a service has its own']),
    ...(given.logFile === undefined ? [] : ['--log-file cannot be chosen: a service of systemd has the journal']),
    ...(given.stateDir === undefined ? [] : ['--state-dir cannot be chosen: a service has its own, in /var/lib']),
    // In the settings, a list is one text: what separates would make two of one, and a rule would deny something else.
    ...holding(given, 'root', /[:\p{Cc}]/u, 'a colon or a control character'),
    ...holding(given, 'allow', /:/, 'a colon; ? stands for any character'),
    ...holding(given, 'deny', /:/, 'a colon; ? stands for any character'),
    ...holding(given, 'label', /,/, 'a comma'),
  ]
}

function holding(
  given: Partial<Flags>,
  flag: 'root' | 'allow' | 'deny' | 'label',
  unfit: RegExp,
  what: string,
): string[] {
  const texts = (textsOf(given[flag]) ?? []).filter((text) => unfit.test(text))
  return texts.map((text) => `--${flag} ${JSON.stringify(text)} cannot hold ${what}`)
}

export const textsOf = (values: unknown): string[] | undefined =>
  Array.isArray(values) ? values.filter((value) => typeof value === 'string') : undefined

/** As the agent reads them from its environment. */
export function variablesOf(flags: Flags): Variables {
  const single = Object.entries(variables).flatMap(([flag, variable]): [string, string][] => {
    const value = flags[flag as keyof typeof variables]
    if (typeof value !== 'string' || fileFlags.includes(flag as FileFlag)) return []
    return [[variable, flag === 'file' || flag === 'limitFile' || flag === 'logFile' ? resolve(value) : value]]
  })
  const lists = { ALLOW: flags.allow, DENY: flags.deny, LABELS: flags.label }
  const joined = Object.entries(lists).flatMap(([variable, values]): [string, string][] => {
    const texts = textsOf(values)
    return texts === undefined ? [] : [[variable, texts.join(variable === 'LABELS' ? ',' : delimiter)]]
  })
  return Object.fromEntries([...single, ...joined])
}
