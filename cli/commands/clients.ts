import { Option, type Command } from 'commander'
import type { Connect, Context } from '../context.ts'
import { clientHeading, clientRow } from '../describe.ts'
import { collectLabel } from '../options.ts'

interface Flags {
  all?: boolean
  status?: string
  label?: string[]
  outdated?: boolean
}

const examples = `
Examples:
  backhaul clients
  backhaul clients --status offline
  backhaul clients --all --label region=west
  backhaul clients --all --outdated             whose agent is older than the release of the server
  backhaul clients --json | jq -r '.clients[].id'`

/** `backhaul clients`: who is online, or who else is known. */
export function addClients(program: Command, connect: Connect): void {
  program
    .command('clients')
    .aliases(['list', 'list-clients'])
    .description('list the clients that are online (also: list, list-clients)')
    .addOption(new Option('--all', 'those that are offline too').conflicts('status'))
    .addOption(new Option('--status <status>', 'which ones').choices(['online', 'offline', 'all']))
    .option('--label <key=value>', 'only clients with this label; may be repeated', collectLabel)
    .option('--outdated', 'only clients whose agent is older than the release of the server')
    .addHelpText('after', examples)
    .action((flags: Flags, command: Command) => listClients(connect(command), flags))
}

async function listClients(
  { api, screen, program }: Context,
  { all, status, label = [], outdated = false }: Flags,
): Promise<void> {
  const wanted = all ? 'all' : (status ?? 'online')
  const answer = await api.clients([
    ['status', wanted],
    ...label.map((text): [string, string] => ['label', text]),
    ...(outdated ? [['outdated', 'true'] satisfies [string, string]] : []),
  ])
  if (screen.asJson) return screen.json(answer.raw)
  const { clients } = answer.value
  screen.table(clientHeading, clients.map(clientRow))
  if (clients.length > 0) return
  const hint = wanted === 'online' ? `; "${program} clients --all" lists those that are offline too` : ''
  screen.note(`No such client${wanted === 'online' ? ' is online' : ''}${hint}.`)
}
