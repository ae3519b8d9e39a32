import type { Command } from 'commander'
import { finalStatuses } from '../../shared/protocol.ts'
import { formatBytes } from '../../shared/format.ts'
import type { ContentStream } from '../http.ts'
import type { Connect, Context } from '../context.ts'
import { attended, attendedChunks } from '../attend.ts'
import { endedBadly } from '../describe.ts'
import { CliError } from '../errors.ts'
import { parseClientId } from '../options.ts'
import { saveShown } from '../save-content.ts'
import type { Saved } from '../save.ts'
import { fileIn, resolveTarget, type Target } from '../target.ts'

interface Flags {
  output?: string
  force?: boolean
}

const examples = `
Without -o the content goes to standard output; if that is a terminal, to a file of the same name in the current folder, which
must not exist yet. A file is there complete and with the right SHA-256, or not at all. On standard output, only the exit code
can tell that the content is damaged or not complete.

Examples:
  backhaul fetch restaurant_1 file_to_download.txt -o menu.txt
  backhaul fetch restaurant_1 /var/log/till.log -o - | grep ERROR
  backhaul fetch restaurant_1 /var/log/till.log | gzip > till.log.gz`

/** `backhaul fetch CLIENT PATH`: a file of a site that is online, straight through. */
export function addFetch(program: Command, connect: Connect): void {
  program
    .command('fetch')
    .description('get a file of a client that is online, straight through')
    .argument('<client>', 'id of the client', parseClientId)
    .argument('<path>', 'which file of the client')
    .option('-o, --output <file>', 'where to: a file, a folder, or - for standard output')
    .option('--force', 'replace an existing file that was not named with -o')
    .addHelpText('after', examples)
    .action((client: string, path: string, flags: Flags, command: Command) =>
      fetchFile(connect(command), { client, path, flags }),
    )
}

async function fetchFile(context: Context, wanted: { client: string; path: string; flags: Flags }): Promise<void> {
  const { api, screen } = context
  const { client, path, flags } = wanted
  const target = await targetOf(context, path, flags)
  if (target.kind === 'stdout' && screen.asJson)
    throw new CliError('usage', '--json needs -o FILE: the content goes to standard output.')
  const check = siteCheck(context, client)
  const attend = (stream: ContentStream): ContentStream => ({ ...stream, chunks: attendedChunks(stream.chunks, check) })
  const first = await attended(api.file(client, path), check)
  const id = downloadIdOf(first)
  const saved = await saveShown(context, {
    target,
    label: path,
    open: async (headers, again) => attend(again ? await reopen(context, { id, client, path, headers }) : first),
    expected: async () => (id === undefined ? undefined : ((await api.download(id)).value.sha256 ?? undefined)),
  })
  if (screen.asJson && id !== undefined) return screen.json((await api.download(id)).raw)
  const line = `${saved.path ?? path}: ${describeSaved(saved)}`
  if (target.kind === 'stdout') screen.note(line)
  else screen.result(line)
}

/**
 * A check that throws when the site is offline twice in a row: a stream that stands still would otherwise be waited for until it
 * is back, which may take days.
 */
function siteCheck({ api, leave }: Context, client: string): () => Promise<void> {
  let timesOffline = 0
  return async () => {
    timesOffline = (await api.client(client)).value.status === 'online' ? 0 : timesOffline + 1
    if (timesOffline < 2) return
    const error = new CliError(
      'client-offline',
      `${client} went offline before the whole file was here; the server goes on with it when it is back.`,
    )
    leave(error)
    throw error
  }
}

async function targetOf({ cwd, screen }: Context, path: string, { output, force = false }: Flags): Promise<Target> {
  if (output === undefined) return screen.interactive ? fileIn(cwd, path, force) : { kind: 'stdout' }
  const target = await resolveTarget(output, cwd, force)
  return target.kind === 'folder' ? fileIn(target.path, path, target.overwrite) : target
}

interface Again {
  id: string | undefined
  client: string
  path: string
  headers: Record<string, string>
}

/** After a break: the rest of the same download, not a new one; and when that has failed, why. */
async function reopen({ api, program }: Context, { id, client, path, headers }: Again): Promise<ContentStream> {
  if (id === undefined) return api.file(client, path)
  const { value } = await api.download(id)
  if (finalStatuses.includes(value.status) && value.status !== 'completed') throw endedBadly(value, program)
  return api.content(id, headers, value.status !== 'completed')
}

/** The download that brings a file straight through; Content-Location names its content. */
function downloadIdOf({ headers }: ContentStream): string | undefined {
  return /\/downloads\/([A-Za-z0-9_-]+)\/content$/.exec(headers['content-location'] ?? '')?.[1]
}

function describeSaved({ size, sha256, verified }: Saved): string {
  return `${formatBytes(size)}, SHA-256 ${sha256}${verified ? ', verified' : ', which the server could not confirm'}`
}
