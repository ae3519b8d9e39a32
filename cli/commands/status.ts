import type { Command } from 'commander'
import { finalStatuses } from '../../shared/protocol.ts'
import type { Download } from '../../shared/operator.ts'
import type { Answer } from '../api.ts'
import type { Connect, Context } from '../context.ts'
import { describeDownload, endedBadly } from '../describe.ts'
import { follow } from '../follow.ts'
import { parseDownloadId } from '../options.ts'

const examples = `
Exits with 0 for a download that is under way or completed, otherwise with the code for its reason.

Examples:
  backhaul status ID
  backhaul status ID --wait && echo "it is there"
  backhaul status ID --json | jq -r .sha256`

/** `backhaul status ID`: how a download stands, or how it ends. */
export function addStatus(program: Command, connect: Connect): void {
  program
    .command('status')
    .description('show a download')
    .argument('<id>', 'id of the download', parseDownloadId)
    .option('--wait', 'wait until it has ended')
    .addHelpText('after', examples)
    .action(async (id: string, { wait = false }: { wait?: boolean }, command: Command) => {
      const context = connect(command)
      showEnd(context, wait ? await follow({ ...context, id }) : await context.api.download(id))
    })
}

/**
 * Prints a download.
 * @throws CliError when it has ended without its file
 */
export function showEnd({ screen, program }: Context, { value, raw }: Answer<Download>): void {
  if (screen.asJson) screen.json(raw)
  else for (const line of describeDownload(value)) screen.result(line)
  if (finalStatuses.includes(value.status) && value.status !== 'completed') throw endedBadly(value, program)
}
