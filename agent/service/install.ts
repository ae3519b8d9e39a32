import { execFile } from 'node:child_process'
import { realpath, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readAsset } from '../../shared/assets.ts'
import { ConfigError, type Environment } from '../../shared/env.ts'
import { messageOf } from '../../shared/errors.ts'
import { printable, withoutUser } from '../../shared/format.ts'
import { version } from '../../shared/version.ts'
import { waitForContact, type Contact } from './contact.ts'
import { proxiesOf } from './env-file.ts'
import { readInstalled, textOf } from './installed.ts'
import { parseInstall, type Asked } from './options.ts'
import { SERVICE, UNIT, type ServicePaths } from './paths.ts'
import { planInstall, secretNames, type Plan } from './plan.ts'
import type { Systemd } from './systemd.ts'
import { pointTo } from './update/links.ts'
import { UPDATE_PATH_UNIT } from './update/paths.ts'
import { planUpdates } from './update/plan.ts'
import { stopWatching } from './update/watch.ts'
import { writeFiles } from './write.ts'

const run = promisify(execFile)

export interface InstallDeps {
  paths: ServicePaths
  systemd: Systemd
  env: Environment
  hostname: string
  /** This program's file. */
  executable: string
  say: (line: string) => void
}

/** How long the agent may take to reach its server, in ms. */
const CONNECT_WITHIN_MS = 30_000

/**
 * Sets the service up, or changes what it is told, and starts it.
 * @returns whether it is connected
 * @throws ConfigError naming every mistake, before anything is changed; Error of systemd's commands
 */
export async function install(argv: readonly string[], deps: InstallDeps): Promise<boolean> {
  const { systemd, say } = deps
  const plan = await prepare(parseInstall(argv), deps)
  await checkGroups(plan.groups)
  for (const root of plan.roots) if (!(await isFolder(root))) say(`note: ${printable(root)} is no folder now`)
  if (!plan.updates && (await textOf(deps.paths.update.pathUnit)) !== undefined) await stopWatching(systemd)
  for (const path of await writeFiles(plan.files)) say(`wrote ${path}`)
  await systemd.control('daemon-reload')
  if (plan.updates) await watchUpdates(deps)
  await systemd.control('enable', '--quiet', UNIT)
  await systemd.control('reset-failed', UNIT).catch(() => undefined)
  // A start that fails is told by what the agent said of it.
  const failure = await systemd.control('restart', UNIT).then(() => undefined, messageOf)
  const port = (await readInstalled(deps.paths)).variables['CLIENT_PORT']
  const contact = await waitForContact({ systemd, port, clientId: plan.clientId }, CONNECT_WITHIN_MS)
  if (contact.connected) await connected(plan, deps)
  else notConnected({ plan, contact, failure, say })
  return contact.connected
}

/** Has root's part of updates done by this program: it is here because somebody who may wanted it. */
async function watchUpdates({ paths: { update }, systemd, executable }: InstallDeps): Promise<void> {
  await pointTo(update.updater, executable)
  await systemd.control('enable', '--quiet', UPDATE_PATH_UNIT)
  await systemd.control('restart', UPDATE_PATH_UNIT)
}

/** What is to be done, from what was asked for and what is there. */
export async function prepare(
  asked: Asked,
  { paths, env, hostname, executable }: Omit<InstallDeps, 'systemd'>,
): Promise<Plan> {
  const contents = Object.fromEntries(
    // What cannot be read is told with all other mistakes.
    await Promise.all(
      Object.entries(asked.files).map(async ([flag, path]) => [flag, await textOf(path).catch(() => undefined)]),
    ),
  ) as Record<string, string>
  const kept: string[] = []
  for (const name of secretNames) if ((await textOf(join(paths.config, name))) !== undefined) kept.push(name)
  const packaged = await Promise.all(paths.packagedUnits.map(textOf))
  const isPackaged = packaged.some((text) => text !== undefined)
  const unit = isPackaged ? undefined : renderUnit(await commandFor(executable, paths))
  const proxies = proxiesOf(env)
  const installed = await readInstalled(paths)
  const off = installed.variables['UPDATES'] === 'off'
  const updates = await planUpdates(asked, { paths, executable, off, packaged: isPackaged })
  return planInstall({ paths, installed, asked, contents, kept, hostname, proxies, unit, updates })
}

/** The unit, for one command. @param command absolute, without spaces */
export function renderUnit(command: string): string {
  const unit = readAsset(new URL('../../packaging/agent/backhaul-agent.service', import.meta.url))
  return unit.replace('@BINARY@', command.replaceAll('%', '%%'))
}

const unfit = ['/home/', '/root/', '/tmp/', '/var/tmp/', '/run/', '/dev/', '/mnt/', '/media/']

/** The link by which the program is called, so that an update changes it alone; else its file. @throws ConfigError */
async function commandFor(executable: string, { commands }: ServicePaths): Promise<string> {
  for (const command of commands) {
    if ((await realpath(command).catch(() => undefined)) === executable) return command
  }
  if (unfit.some((folder) => executable.startsWith(folder)) || /[\s"'\\]/.test(executable))
    throw new ConfigError([
      `a service cannot be run from ${executable}: sudo install -m 755 ${executable} /usr/local/bin/${SERVICE}, and call that one`,
    ])
  return executable
}

async function checkGroups(groups: readonly string[]): Promise<void> {
  const mistakes: string[] = []
  for (const group of groups) {
    const known =
      /^[A-Za-z0-9_][\w.-]*\$?$/.test(group) && (await run('getent', ['group', group]).catch(() => undefined))
    if (!known) mistakes.push(`--group ${printable(group)} is no group of this machine; getent group lists them`)
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes)
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/** The token has done its work: who finds it could pose as a new site. */
async function connected(plan: Plan, { paths, say }: InstallDeps): Promise<void> {
  say(`${SERVICE} ${version} is running, and connected to ${withoutUser(plan.server)} as ${plan.clientId}`)
  if ((await textOf(paths.enrolToken)) === undefined) return
  await rm(paths.enrolToken)
  say('the site is enrolled; the enrolment token was removed from this machine')
}

const LAST = 10

function notConnected({
  plan,
  contact: { unit, lines },
  failure,
  say,
}: {
  plan: Plan
  contact: Contact
  failure: string | undefined
  say: (line: string) => void
}): void {
  say(
    `${SERVICE} ${version} is set up, but not connected to ${withoutUser(plan.server)} yet (${unit.active}). Its last words:`,
  )
  if (lines.length === 0 && failure !== undefined) say(`  ${printable(failure)}`)
  for (const { msg } of lines.slice(-LAST)) say(`  ${printable(msg)}`)
  if (unit.exitStatus === '2') say('Mend what it says and run this again; it is not started again until then.')
  else say(`It goes on trying by itself. ${SERVICE} service status tells more, journalctl -u ${SERVICE} -f everything.`)
}
