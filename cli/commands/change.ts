import type { Command } from 'commander'
import type { Download } from '../../shared/operator.ts'
import type { Answer } from '../api.ts'
import type { Connect, Context } from '../context.ts'
import { parseDownloadId } from '../options.ts'

/** `backhaul cancel ID`: ends a download for good. */
export function addCancel(program: Command, connect: Connect): void {
  program
    .command('cancel')
    .description('cancel a download that has not ended; this is final')
    .argument('<id>', 'id of the download', parseDownloadId)
    .addHelpText('after', '\nExample:\n  backhaul cancel ID')
    .action(async (id: string, _flags: object, command: Command) => {
      const context = connect(command)
      show(context, await context.api.cancel(id))
    })
}

/** `backhaul retry ID`: begins a failed or expired download again; bytes that are here already are kept where that is safe. */
export function addRetry(program: Command, connect: Connect): void {
  program
    .command('retry')
    .description('begin a failed or expired download again')
    .argument('<id>', 'id of the download', parseDownloadId)
    .addHelpText('after', '\nExample:\n  backhaul retry ID && backhaul status ID --wait')
    .action(async (id: string, _flags: object, command: Command) => {
      const context = connect(command)
      const answer = await context.api.retry(id)
      show(context, answer)
      if (!context.screen.asJson) nextStep(context, answer.value)
    })
}

/** Tells on standard error what to type to see how the download goes on. */
export function nextStep({ screen, program }: Context, { id }: Download): void {
  screen.note(`Next: ${program} status ${id} --wait`)
}

/** Prints that a download is in its new status; with `--quiet`, its id. */
export function show({ screen }: Context, { value, raw }: Answer<Download>): void {
  if (screen.asJson) screen.json(raw)
  else if (screen.quiet) screen.result(value.id)
  else screen.result(`Download ${value.id} of ${value.clientId}: ${value.status}`)
}
