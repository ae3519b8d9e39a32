import { join } from 'node:path'
import { ConfigError } from '../../shared/env.ts'
import { clientIdPattern } from '../../shared/protocol.ts'
import { version } from '../../shared/version.ts'
import { readConfig } from '../config.ts'
import { variables } from '../flags.ts'
import { renderDropIns } from './drop-ins.ts'
import { changeVariables, type Variables } from './env-file.ts'
import type { Installed } from './installed.ts'
import { takenNames, type Asked, type FileFlag } from './options.ts'
import type { ServicePaths } from './paths.ts'
import type { UpdatePlan } from './update/plan.ts'

/** A file that is to be as `text` says, or not to be. */
export interface Wanted {
  path: string
  text: string | undefined
  mode: number
}

export interface Plan {
  clientId: string
  server: string
  roots: string[]
  groups: string[]
  /** Whether the server may have this agent updated. */
  updates: boolean
  files: Wanted[]
}

export interface PlanInput {
  paths: ServicePaths
  installed: Installed
  asked: Asked
  /** Of the files that were named: what they hold. */
  contents: Partial<Record<FileFlag, string>>
  /** What lies there of secrets from the time before: their names in the folder of settings. */
  kept: readonly string[]
  hostname: string
  /** The proxy that this command was told of: the agent has the same way out. */
  proxies: Variables
  /** The unit, rendered; undefined where a package brings its own, and there is to be none beside it. */
  unit: string | undefined
  updates: UpdatePlan
}

const HEADER = `# Settings of the Backhaul agent, as \`backhaul-agent --help\` lists them.
# \`backhaul-agent service install\` changes them and restarts it; by hand: systemctl restart backhaul-agent
`

/** Where a file is taken over to, and how the agent is told: a secret by systemd, what is public by its path. */
const taken = {
  ca: { name: takenNames.ca, variable: variables.ca, secret: false },
  cert: { name: takenNames.cert, variable: variables.cert, secret: false },
  key: { name: takenNames.key, variable: variables.key, secret: true },
  enrolFile: { name: takenNames.enrolFile, variable: variables.enrolFile, secret: true },
} as const

/** The names of secrets in the folder of settings. */
export const secretNames = Object.values(taken).flatMap(({ name, secret }) => (secret ? [name] : []))

/**
 * What is to lie where, from what lies there, and what was asked for. Changes nothing.
 * @throws ConfigError naming every mistake, before anything is changed
 */
export function planInstall(input: PlanInput): Plan {
  const { paths, installed, asked, contents, hostname, proxies, unit, updates } = input
  const given = { ...installed.variables, ...proxies, ...asked.variables }
  const clientId = given['CLIENT_ID'] || idFrom(hostname)
  const roots = asked.roots ?? installed.roots
  const groups = asked.groups ?? installed.groups
  const server = check({ ...given, CLIENT_ID: clientId, ROOTS: roots.join(':') }, input)

  const named = Object.entries(taken).filter(([flag]) => contents[flag as FileFlag] !== undefined)
  const publicPaths = named.flatMap(([, { name, variable, secret }]) =>
    secret ? [] : [[variable, join(paths.config, name)]],
  )
  const changes: Variables = {
    ...proxies,
    ...asked.variables,
    CLIENT_ID: clientId,
    ROOTS: undefined,
    // Kept, so that the next run of install.sh does not turn them on again.
    ...(asked.updates === undefined ? {} : { UPDATES: asked.updates ? undefined : 'off' }),
    ...Object.fromEntries(publicPaths),
  }
  // The enrolment token is not among them: the unit itself loads it.
  const secrets = [taken.key]
    .filter(({ name }) => input.kept.includes(name) || named.some(([, one]) => one.name === name))
    .map(({ name, variable }) => ({ name, file: join(paths.config, name), variable }))
  const readAll = asked.readAll ?? installed.readAll
  const dropIns = renderDropIns({ roots, file: given['FILE'], groups, readAll, secrets })
  return {
    clientId,
    server,
    roots,
    groups,
    updates: updates.on,
    files: [
      // One of another time would win over the package's.
      { path: paths.unit, text: unit, mode: 0o644 },
      { path: paths.env, text: changeVariables(installed.envText ?? HEADER, changes), mode: 0o600 },
      ...named.map(([flag, { name, secret }]) => ({
        path: join(paths.config, name),
        text: contents[flag as FileFlag],
        mode: secret ? 0o600 : 0o644,
      })),
      ...Object.entries(dropIns).map(([name, text]) => ({ path: join(paths.dropIns, name), text, mode: 0o644 })),
      ...updates.files,
    ],
  }
}

/** As the agent will read it: what it would refuse at its start is refused here. @returns the server's address */
function check(env: Variables, { asked, kept, paths }: PlanInput): string {
  if (!env['SERVER_URL']) throw new ConfigError(['--server (SERVER_URL) is missing: --server https://HOST'])
  const files = Object.entries(taken).flatMap(([flag, { name, variable }]): [string, string][] => {
    const path = asked.files[flag as FileFlag] ?? (kept.includes(name) ? join(paths.config, name) : undefined)
    return path === undefined ? [] : [[variable, path]]
  })
  const read = { ...env, ...Object.fromEntries(files) }
  return readConfig({ argv: [], env: read, defaultFile: '/file', home: '/root', version }).server
}

/** A host's name as an id. @throws ConfigError when nothing is left of it */
export function idFrom(hostname: string): string {
  const id = hostname
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, 64)
  if (clientIdPattern.test(id)) return id
  throw new ConfigError([
    `--id (CLIENT_ID) is missing, and this machine's name (${JSON.stringify(hostname)}) gives none`,
  ])
}
