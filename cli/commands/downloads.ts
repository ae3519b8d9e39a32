import { Option, type Command } from 'commander'
import { statuses } from '../../shared/protocol.ts'
import type { Connect, Context } from '../context.ts'
import { downloadHeading, downloadRow } from '../describe.ts'
import { parseClientId, wholeNumber } from '../options.ts'

interface Flags {
  client?: string
  status?: string
  limit?: number
  cursor?: string
}

const examples = `
Examples:
  backhaul downloads --client restaurant_1
  backhaul downloads --status failed --limit 10
  backhaul downloads --json | jq -r '.downloads[] | [.id, .status] | @tsv'`

/** `backhaul downloads`: the downloads, newest first, a page at a time. */
export function addDownloads(program: Command, connect: Connect): void {
  program
    .command('downloads')
    .alias('list-downloads')
    .description('list the downloads, newest first')
    .option('--client <id>', 'only those of this client', parseClientId)
    .addOption(new Option('--status <status>', 'only those with this status').choices(statuses))
    .option('--limit <count>', 'how many at most', wholeNumber(1, 1000))
    .option('--cursor <cursor>', 'where the next page begins; the page before says it')
    .addHelpText('after', examples)
    .action((flags: Flags, command: Command) => listDownloads(connect(command), flags))
}

async function listDownloads({ api, screen, program }: Context, flags: Flags): Promise<void> {
  const { client, status, limit, cursor } = flags
  const query = Object.entries({ client, status, limit, cursor }).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  )
  const answer = await api.downloads(query)
  if (screen.asJson) return screen.json(answer.raw)
  const { downloads, next } = answer.value
  screen.table(downloadHeading, downloads.map(downloadRow))
  if (downloads.length === 0) screen.note('No such download.')
  if (next !== null)
    screen.note(`There are more: add --cursor ${next} to "${program} downloads" with the same filters.`)
}
