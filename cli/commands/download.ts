import { Option, type Command } from 'commander'
import type { DownloadRequest } from '../../shared/operator.ts'
import { policies, type Policy } from '../../shared/protocol.ts'
import type { Connect, Context } from '../context.ts'
import { describeDownload, endedBadly } from '../describe.ts'
import { CliError } from '../errors.ts'
import { follow } from '../follow.ts'
import { given, parseClientId, parseDuration, wholeNumber } from '../options.ts'
import { saveContent } from '../save-content.ts'
import { resolveTarget } from '../target.ts'
import { nextStep, show } from './change.ts'
import { showEnd } from './status.ts'

interface Flags {
  client?: string
  path?: string
  file?: string
  policy?: Policy
  priority?: number
  expiresIn?: number
  note?: string
  wait?: boolean
  force?: boolean
}

const examples = `
Without OUTPUT and --wait it prints the id of the download and ends at once; a client that is offline is served when it comes
back. With OUTPUT it waits, and saves the file: under that name, into that folder under the file's own name, or with - to
standard output. A file is there complete and with the right SHA-256, or not at all.

Examples:
  backhaul download restaurant_1
  backhaul download restaurant_sf menu.txt
  backhaul download restaurant_1 exports/ --path /srv/till/today.csv
  backhaul download restaurant_1 --wait --expires-in 2h --note "for the audit"
  id=$(backhaul download restaurant_1 --quiet)
  backhaul download --client restaurant_1`

/** `backhaul download CLIENT [OUTPUT]`: asks for a file, and with OUTPUT brings it here. */
export function addDownload(program: Command, connect: Connect): void {
  program
    .command('download')
    .description('ask for a file of a client')
    .argument('[client]', 'id of the client')
    .argument('[output]', 'file or folder to save it to, or -')
    .option('--client <id>', 'another way to name the client', parseClientId)
    .option('--path <path>', 'which file; the default file of the client if not given')
    .addOption(new Option('--file <path>', 'another word for --path').conflicts('path'))
    .addOption(new Option('--policy <policy>', 'what to do when the file changes meanwhile').choices(policies))
    .option('--priority <number>', 'higher ones go first, -100 to 100', wholeNumber(-100, 100))
    .option('--expires-in <time>', 'give up after: seconds, or 90s, 30m, 12h, 7d, 2w', parseDuration)
    .option('--note <text>', 'a note to find it by')
    .option('--wait', 'wait until it has ended')
    .option('--force', 'replace an existing file when OUTPUT is a folder')
    .addHelpText('after', examples)
    .action((first: string | undefined, second: string | undefined, flags: Flags, command: Command) =>
      download(connect(command), { ...names(first, second, flags), flags }),
    )
}

interface Wanted {
  client: string
  output: string | undefined
  flags: Flags
}

async function download(context: Context, { client, output, flags }: Wanted): Promise<void> {
  const { api, cwd, screen, program } = context
  // Before anything is asked for: an output that cannot be written should cost nobody a transfer.
  const target = output === undefined ? undefined : await resolveTarget(output, cwd, flags.force ?? false)
  if (target?.kind === 'stdout' && screen.asJson)
    throw new CliError('usage', '--json and the output - exclude each other.')
  const asked = await api.request(requestOf(client, flags))
  if (!target && !flags.wait) {
    show(context, asked)
    if (!screen.asJson) nextStep(context, asked.value)
    return
  }
  const { id } = asked.value
  screen.note(`Download ${id} of ${client}: ${asked.value.status}`)
  const ended = await follow({ ...context, id })
  if (!target) return showEnd(context, ended)
  if (ended.value.status !== 'completed') throw endedBadly(ended.value, program)
  const saved = await saveContent(context, ended.value, target)
  if (screen.asJson) return screen.json(ended.raw)
  const lines = [...describeDownload(ended.value), `saved:      ${saved.path ?? '(standard output)'}`]
  lines.forEach(target.kind === 'stdout' ? screen.note : screen.result)
}

/** With --client, the first word is the output. */
function names(first: string | undefined, second: string | undefined, { client }: Flags): Omit<Wanted, 'flags'> {
  if (client === undefined) {
    if (first === undefined) throw new CliError('usage', 'Say which client: backhaul download CLIENT [OUTPUT].')
    return { client: given(parseClientId, first), output: second }
  }
  if (second !== undefined) throw new CliError('usage', 'Name the client once: as the first word or with --client.')
  return { client, output: first }
}

function requestOf(clientId: string, flags: Flags): DownloadRequest {
  const { policy, priority, expiresIn, note } = flags
  const path = flags.path ?? flags.file
  return {
    clientId,
    ...(path !== undefined && { path }),
    ...(policy !== undefined && { policy }),
    ...(priority !== undefined && { priority }),
    ...(expiresIn !== undefined && { expiresIn }),
    ...(note !== undefined && { note }),
  }
}
