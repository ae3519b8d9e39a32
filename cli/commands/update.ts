import type { Command } from 'commander'
import type { Client } from '../../shared/operator.ts'
import type { Connect, Context } from '../context.ts'
import { describeUpdate } from '../describe.ts'
import { CliError, isPassing } from '../errors.ts'
import { followUpdates, listed, type Shown } from '../follow-updates.ts'
import { given, parseClientId, wholeNumber } from '../options.ts'
import { shareOf } from '../roll-out.ts'

/** A version that ends right after it began is taken back within this time, in s. */
const SETTLE_S = 60

interface Flags {
  all?: boolean
  share?: number
  wait?: boolean
  settle?: number
  cancel?: boolean
}

const examples = `
The version is that of the release which the server hands out. A site installs nothing that is not signed with the key it was
installed with, and goes back by itself to what it had when the new one does not come back.

--share is of all sites that can be updated, in an order that never changes: 10, then 50, then 100 go on from each other, and the
same share again orders nothing that is up to date. Who is offline is updated when it is back.

Examples:
  backhaul update restaurant_1 --wait
  backhaul update --all --share 10 --wait && backhaul update --all
  backhaul update --all --cancel
  backhaul clients --all --outdated`

/** `backhaul update`: has clients become the version of the server's release. */
export function addUpdate(program: Command, connect: Connect): void {
  program
    .command('update')
    .description('order that the agents of clients become the version of the release that the server has')
    .argument('[clients...]', 'ids of the clients')
    .option('--all', 'every client whose agent is older, and can be updated from here')
    .option('--share <percent>', 'with --all, only so many of them, at least one', wholeNumber(1, 100))
    .option('--wait', 'wait until all of them are over, those of sites that are offline, too')
    .option('--settle <seconds>', 'with --wait, how long a new version must stay (default: 60)', wholeNumber(0, 86_400))
    .option('--cancel', 'take orders back that nothing was fetched for yet')
    .addHelpText('after', examples)
    .action((ids: string[], flags: Flags, command: Command) => update(connect(command), ids, flags))
}

interface Refused {
  id: string
  error: CliError
}

async function update(context: Context, ids: string[], flags: Flags): Promise<void> {
  const { api, screen } = context
  checkUsage(ids, flags)
  const wanted = flags.all ? await chosen(context, flags) : [...new Set(ids.map((id) => given(parseClientId, id)))]
  const { done, refused } = await askEach(context, wanted, flags.cancel ? api.takeUpdateBack : api.orderUpdate)
  const clients = flags.wait
    ? await followUpdates({ ...context, clients: done, settleMs: (flags.settle ?? SETTLE_S) * 1000 })
    : done
  if (screen.asJson) {
    const told = refused.map(({ id, error }) => ({ id, code: error.code, detail: error.message }))
    screen.json({ clients: clients.map(({ raw }) => raw), count: clients.length, refused: told })
  } else for (const { value } of clients) screen.result(lineOf(value))
  checkOutcome(clients, refused, wanted.length)
}

function checkUsage(ids: readonly string[], { all = false, share, wait, settle, cancel }: Flags): void {
  if (all === ids.length > 0) throw new CliError('usage', 'Say which clients, or --all.')
  if (share !== undefined && !all) throw new CliError('usage', '--share is a share of --all.')
  if (settle !== undefined && !wait) throw new CliError('usage', '--settle is for --wait.')
  if (cancel && (wait || share !== undefined))
    throw new CliError('usage', '--cancel goes with neither --wait nor --share.')
}

async function chosen({ api, screen }: Context, { share = 100, cancel }: Flags): Promise<string[]> {
  const clients = (await listed(api)).map(({ value }) => value)
  const idsOf = (found: readonly Client[]): string[] => found.map(({ id }) => id)
  if (cancel) {
    const open = clients.filter(({ update: order }) => order?.state === 'ordered' || order?.state === 'fetching')
    if (open.length === 0) screen.note('There is no order that could be taken back.')
    return idsOf(open)
  }
  const others = clients.filter(({ outdated, updates }) => outdated && !updates)
  if (others.length > 0) {
    const names = idsOf(others).join(', ')
    screen.note(`Older, but to be updated as they were installed, and not from here: ${names}.`)
  }
  const part = shareOf(clients, share)
  const old = part.filter(({ outdated }) => outdated)
  if (old.length === 0) screen.note('No client that can be updated from here is older than the release.')
  else if (share < 100)
    screen.note(
      `${share} % of those that can be updated: ${part.length}, of which ${old.length} older than the release.`,
    )
  return idsOf(old)
}

/** One that is refused keeps none of the others from being asked. @throws CliError when the server cannot be asked */
async function askEach(
  { screen }: Context,
  ids: readonly string[],
  ask: (id: string) => Promise<Shown>,
): Promise<{ done: Shown[]; refused: Refused[] }> {
  const done: Shown[] = []
  const refused: Refused[] = []
  for (const id of ids) {
    try {
      done.push(await ask(id))
    } catch (error) {
      if (!(error instanceof CliError) || isPassing(error) || ids.length === 1) throw error
      refused.push({ id, error })
      screen.note(`${error.message} (${error.code})`)
    }
  }
  return { done, refused }
}

function lineOf({ id, version, update: order }: Client): string {
  if (!order) return `${id}: ${version ?? '-'}, nothing ordered`
  return `${id}: ${describeUpdate(order)}${order.detail === null ? '' : `: ${order.detail}`}`
}

/** @throws CliError when an update has failed, or none was possible */
function checkOutcome(clients: readonly Shown[], refused: readonly Refused[], all: number): void {
  const failed = clients.flatMap(({ value }) => (value.update?.state === 'failed' ? [value.id] : []))
  if (failed.length > 0) {
    const [{ value } = { value: undefined }] = clients
    const detail = value?.update?.detail ?? 'its agent did not say why'
    const text =
      all === 1
        ? `${failed[0]} was not updated: ${detail}`
        : `${failed.length} of ${all} updates failed: ${failed.join(', ')}`
    throw new CliError('update-failed', `${text}.`)
  }
  const [first] = refused
  if (!first) return
  const names = refused.map(({ id }) => id).join(', ')
  throw new CliError(first.error.code, `${refused.length} of ${all} were refused: ${names}.`, { status: 409 })
}
