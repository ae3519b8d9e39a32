import { once } from 'node:events'
import { Option, type Command } from 'commander'
import { statuses, type Status } from '../../shared/protocol.ts'
import type { Connect, Context } from '../context.ts'
import { downloadRow, stepOf } from '../describe.ts'
import { CliError } from '../errors.ts'
import { createTrouble } from '../follow.ts'
import { collectClientId, collectLabel } from '../options.ts'
import { createBoard } from '../watch/board.ts'
import { readChanges, type Change, type News } from '../watch/changes.ts'
import { tableLines } from '../watch/table.ts'
import { openWindow } from '../watch/window.ts'

interface Flags {
  client?: string[]
  label?: string[]
  status?: Status[]
}

/** Each is asked for by itself. */
const MOST_CLIENTS = 5

const examples = `
On a terminal, a table that is drawn again as things change; Ctrl+C ends it. Elsewhere a line for each download that is under way
at the start, and then for each new status and each tenth of the way, as "backhaul downloads" prints them; with --json, the whole
download as one JSON document on a line. It looks every second, at the newest 100 that wait, the newest 100 that move, and the
newest 25 that have ended. A server that is away is asked until it is back.

Examples:
  backhaul watch
  backhaul watch --label region=west
  backhaul watch --status failed --json | jq -r '[.clientId, .reason] | @tsv'`

/** `backhaul watch`: what is under way, and what has just ended, as it goes. */
export function addWatch(program: Command, connect: Connect): void {
  program
    .command('watch')
    .description('show what is under way and what has just ended, as it goes')
    .option('--client <id...>', `only those of these clients, ${MOST_CLIENTS} at most`, collectClientId)
    .option('--label <key=value>', 'only those of clients with this label; may be repeated', collectLabel)
    .addOption(new Option('--status <status...>', 'only those with one of these').choices(statuses))
    .addHelpText('after', examples)
    .action((flags: Flags, command: Command) => watch(connect(command), flags))
}

async function watch(context: Context, { client: clients = [], label: labels = [], status }: Flags): Promise<void> {
  if (clients.length > MOST_CLIENTS)
    throw new CliError('usage', `Name ${MOST_CLIENTS} clients at most, or choose by --label.`)
  const { api, screen, signal } = context
  const news = readChanges({ api, signal, clients, labels })
  const wanted: readonly Status[] = status ?? statuses
  if (screen.interactive && !screen.asJson) await showTable(context, news, wanted)
  else await printLines(context, news, wanted)
}

async function showTable(
  { stdout, signal }: Context,
  news: AsyncIterable<News>,
  wanted: readonly Status[],
): Promise<void> {
  const board = createBoard()
  const since = new Date().toTimeString().slice(0, 8)
  const window = openWindow({
    stdout,
    signal,
    lines: (size) => tableLines(board.picture(), { ...size, since, wanted }),
  })
  try {
    for await (const one of news) {
      board.apply(one, performance.now())
      window.draw()
    }
  } finally {
    window.close()
  }
}

async function printLines(
  { screen, stdout, signal }: Context,
  news: AsyncIterable<News>,
  wanted: readonly Status[],
): Promise<void> {
  const trouble = createTrouble(screen)
  for await (const one of news) {
    if (one.kind === 'away') {
      trouble.tell(one.error)
      continue
    }
    trouble.over()
    for (const change of one.changes) {
      if (!wanted.includes(change.value.status) || !isStep(change)) continue
      if (screen.asJson) screen.jsonLine(change.raw)
      else screen.table([], [downloadRow(change.value)])
    }
    // Whoever reads slowly is waited for, so that what is unread does not pile up here.
    if (stdout.writableNeedDrain) await once(stdout, 'drain', { signal })
  }
}

function isStep({ before, value }: Change): boolean {
  return before === undefined || stepOf(before) !== stepOf(value)
}
