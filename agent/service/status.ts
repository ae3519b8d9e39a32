import { ConfigError } from '../../shared/env.ts'
import { printable, withoutUser } from '../../shared/format.ts'
import { version } from '../../shared/version.ts'
import { readConfig } from '../config.ts'
import { askStatus, lookForContact } from './contact.ts'
import { readInstalled } from './installed.ts'
import { SERVICE, type ServicePaths } from './paths.ts'
import type { Line, Systemd } from './systemd.ts'
import { shownUpdates } from './update/shown.ts'

const WARNING = 40
const SHOWN = 5

/** Says how the service is. @returns whether it is connected */
export async function status({
  paths,
  systemd,
  say,
}: {
  paths: ServicePaths
  systemd: Systemd
  say: (line: string) => void
}): Promise<boolean> {
  const installed = await readInstalled(paths)
  const { CLIENT_ID: clientId = '', SERVER_URL: server = '', CLIENT_PORT: port } = installed.variables
  const { connected, unit, lines } = await lookForContact({ systemd, port, clientId })
  const agent = await askStatus(port, clientId)
  const row = (name: string, value: string): void => say(`${name.padEnd(10)} ${printable(value)}`)
  const restarts = unit.restarts === 0 ? '' : `, started again ${unit.restarts} times`
  row('service', unit.active === 'active' ? `active since ${unit.since}${restarts}` : `${unit.active}${restarts}`)
  row(
    'version',
    agent === undefined || agent.version === version ? version : `${agent.version}; ${version} after a restart`,
  )
  row('client', clientId || 'none: no --id (CLIENT_ID) was set')
  row(
    'server',
    `${withoutUser(server) || 'none: no --server (SERVER_URL) was set'}, ${connected ? 'connected' : 'not connected'}`,
  )
  row('shares', [...installed.roots, installed.variables['FILE'] ?? ''].filter(Boolean).join(', ') || 'nothing')
  row('last job', lastJob(lines))
  row('updates', await shownUpdates({ paths, systemd, off: installed.variables['UPDATES'] === 'off' }))
  const mistakes = [...mistakesOf(installed.variables, installed.roots), ...complaints(lines)]
  if (mistakes.length === 0) row('mistakes', 'none')
  for (const mistake of mistakes) row('mistake', mistake)
  if (unit.active === 'inactive') say(`It does not run: ${SERVICE} service install, or systemctl start ${SERVICE}`)
  return connected
}

function lastJob(lines: readonly Line[]): string {
  const last = lines.findLast(({ id }) => id !== undefined)
  return last ? `${last.time ?? ''} ${last.id}: ${last.msg}` : 'none of late'
}

/** What keeps it from starting anew. */
function mistakesOf(env: Record<string, string>, roots: readonly string[]): string[] {
  try {
    const given = { ...env, ROOTS: roots.join(':'), CLIENT_KEY: '', CLIENT_CERT: '' }
    readConfig({ argv: [], env: given, defaultFile: '/file', home: '/root', version })
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
}

/** The last warnings of this run, each once. */
function complaints(lines: readonly Line[]): string[] {
  const texts = lines.filter(({ level }) => level === undefined || level >= WARNING).map(({ msg }) => msg)
  return [...new Set(texts.toReversed())].slice(0, SHOWN).toReversed()
}
