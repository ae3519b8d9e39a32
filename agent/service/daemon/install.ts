import { chmod, copyFile, mkdir, readFile, rm } from 'node:fs/promises'
import { ConfigError, type Environment } from '../../../shared/env.ts'
import { withoutUser } from '../../../shared/format.ts'
import { renameFile } from '../../../shared/rename.ts'
import { replaceFile } from '../../../shared/replace-file.ts'
import { version } from '../../../shared/version.ts'
import { pause } from '../../../shared/wait.ts'
import { readConfig } from '../../config.ts'
import { askStatus } from '../contact.ts'
import { changeVariables, proxiesOf, readVariables, type Variables } from '../env-file.ts'
import { textOf } from '../installed.ts'
import { takenNames, type FileFlag } from '../options.ts'
import { idFrom } from '../plan.ts'
import type { Command, Manager } from './manager.ts'
import { contentOf, parseDaemonInstall, variableOf, type AskedDaemon } from './options.ts'

export interface InstallDeps {
  manager: Manager
  env: Environment
  hostname: string
  /** This program as it was started. */
  program: Command
  /** Whether it is one file, which is copied to a place of its own. */
  copied: boolean
  say: (line: string) => void
  /** How long the agent may take to reach its server, in ms. */
  withinMs?: number
}

const HEADER = `# Settings of the Backhaul agent, as \`backhaul-agent --help\` lists them.
# \`backhaul-agent service install\` changes them and starts it anew.
`
const LOOK_EVERY_MS = 300
/**
 * Sets the service up, or changes what it is told, and starts it.
 * @returns whether it is connected
 * @throws ConfigError naming every mistake, before anything is changed; Error of the system's commands
 */
export async function install(argv: readonly string[], deps: InstallDeps): Promise<boolean> {
  const { manager, say, withinMs = 30_000 } = deps
  const asked = parseDaemonInstall(argv, manager.name, manager.paths)
  await manager.checkFolders()
  const plan = await planDaemon(asked, deps)
  // First, for it may write in the folders that are protected now.
  await manager.stop()
  await manager.protect()
  for (const { path, text } of plan.files) await replaceFile(path, text)
  const command = await commandOf(deps)
  await manager.protect()
  await manager.start({ ...command, args: [...command.args, '--settings', plan.settings] })
  say(`${manager.name} runs the agent ${version}; its log is in ${manager.folders.logs}`)
  const until = performance.now() + withinMs
  while (!(await askStatus(plan.port, plan.clientId))?.connected) {
    if (performance.now() > until) {
      say(`It is not connected to ${withoutUser(plan.server)} yet, and goes on trying by itself. Look at its log.`)
      return false
    }
    await pause(LOOK_EVERY_MS)
  }
  say(`connected to ${withoutUser(plan.server)} as ${plan.clientId}`)
  await forgetToken(plan, deps)
  return true
}

export interface DaemonPlan {
  clientId: string
  server: string
  port: string | undefined
  /** The file of settings. */
  settings: string
  files: { path: string; text: string }[]
}

/** What is to lie where. Changes nothing. @throws ConfigError naming every mistake */
export async function planDaemon(
  asked: AskedDaemon,
  { manager, env, hostname, program, copied }: Omit<InstallDeps, 'say'>,
): Promise<DaemonPlan> {
  const { folders, paths, platform, unfit } = manager
  const { join } = paths.path
  const settings = join(folders.config, 'agent.env')
  const before = await textOf(settings)
  const proxies = proxiesOf(env)
  const given: Variables = {
    ...(before === undefined ? {} : readVariables(before, platform)),
    ...proxies,
    ...asked.variables,
  }
  const named = Object.entries(asked.files) as [FileFlag, string][]
  const clientId = given['CLIENT_ID'] || idFrom(hostname)
  const own = { CLIENT_ID: clientId, STATE_DIR: folders.state, LOG_FILE: join(folders.logs, 'agent.log') }
  const files = await Promise.all(
    named.map(async ([flag, path]) => ({
      path: join(folders.config, takenNames[flag]),
      text: await contentOf(flag, readFile(path, 'utf8')),
    })),
  )
  if (!given['SERVER_URL']) throw new ConfigError(['--server (SERVER_URL) is missing: --server https://HOST'])
  // As the agent will read it, but for files that are elsewhere still.
  const checked = { ...given, ...own, ...Object.fromEntries(named.map(([flag, path]) => [variableOf(flag), path])) }
  const { server } = readConfig({ argv: [], env: checked, defaultFile: 'file', home: folders.state, version, platform })
  const home = copied
    ? undefined
    : unfit.find((folder) => [program.file, program.folder].some(liesIn(folder, paths.fold)))
  if (home !== undefined)
    throw new ConfigError([`the service's user cannot read what lies in ${home}: put the agent, and Node, elsewhere`])
  const taken = named.map(([flag]) => [variableOf(flag), join(folders.config, takenNames[flag])])
  const text = changeVariables(before ?? HEADER, {
    ...proxies,
    ...asked.variables,
    ...own,
    ...Object.fromEntries(taken),
  })
  return { clientId, server, port: given['CLIENT_PORT'], settings, files: [...files, { path: settings, text }] }
}

const liesIn =
  (folder: string, fold: (text: string) => string) =>
  (path: string): boolean =>
    fold(path).startsWith(fold(folder))

/** Where the program is from now on: one file is copied, so that what was downloaded may go. */
async function commandOf({ manager: { folders, paths }, program, copied }: InstallDeps): Promise<Command> {
  const to = folders.program
  const folder = paths.path.dirname(to)
  if (!copied) return program
  if (paths.fold(program.file) !== paths.fold(to)) {
    await mkdir(folder, { recursive: true })
    await copyFile(program.file, `${to}.new`)
    await chmod(`${to}.new`, 0o755)
    await renameFile(`${to}.new`, to)
  }
  return { file: to, args: [], folder }
}

/** The token has done its work: who finds it could pose as a new site. */
async function forgetToken({ settings }: DaemonPlan, { manager, say }: InstallDeps): Promise<void> {
  const path = manager.paths.path.join(manager.folders.config, takenNames.enrolFile)
  if ((await textOf(path)) === undefined) return
  const text = (await textOf(settings)) ?? ''
  await replaceFile(settings, changeVariables(text, { [variableOf('enrolFile')]: undefined }))
  await rm(path)
  await manager.protect()
  say('the site is enrolled; the enrolment token was removed from this machine')
}
