import { printable, withoutUser } from '../../../shared/format.ts'
import { version } from '../../../shared/version.ts'
import { askStatus } from '../contact.ts'
import { readVariables } from '../env-file.ts'
import { textOf } from '../installed.ts'
import type { Manager } from './manager.ts'

/** Says how the service is. @returns whether it is connected */
export async function status({ manager, say }: { manager: Manager; say: (line: string) => void }): Promise<boolean> {
  const { folders, paths } = manager
  const env = readVariables((await textOf(paths.path.join(folders.config, 'agent.env'))) ?? '', manager.platform)
  const { CLIENT_ID: clientId = '', SERVER_URL: server = '', ROOTS: roots = '', FILE: file = '' } = env
  const agent = await askStatus(env['CLIENT_PORT'], clientId)
  const connected = agent?.connected ?? false
  const row = (name: string, value: string): void => say(`${name.padEnd(10)} ${printable(value)}`)
  row('service', (await manager.state()) ?? `unknown to ${manager.name}`)
  row('version', agent?.version ?? version)
  row('client', clientId || 'none: service install sets it')
  row(
    'server',
    `${withoutUser(server) || 'none: service install sets it'}, ${connected ? 'connected' : 'not connected'}`,
  )
  row('shares', [...roots.split(paths.path.delimiter), file].filter(Boolean).join(', ') || 'nothing')
  row('log', paths.path.join(folders.logs, 'agent.log'))
  return connected
}
