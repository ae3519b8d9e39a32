import { formatBytes, formatSeconds } from '../../shared/format.ts'
import type { Config } from '../config.ts'
import { exitCodes, type ExitCode } from '../exit-codes.ts'
import { look, move as moveStores, type Contents } from '../move/move.ts'
import { placesOf } from '../move/places.ts'
import type { SharedAddresses } from '../stores/open.ts'
import { ownStores } from './own-stores.ts'
import type { Screen } from './screen.ts'

export interface MoveFlags {
  dryRun?: boolean
  acceptDamage?: boolean
}

/** `move`. @returns 1 when something is missing or damaged, and that was not accepted */
export async function move({
  flags,
  settings,
  to,
  screen,
}: {
  flags: MoveFlags
  settings: Config
  to: SharedAddresses
  screen: Screen
}): Promise<ExitCode> {
  const from = ownStores(settings)
  const places = placesOf(to)
  if (flags.dryRun) {
    const contents = look(from)
    const first = `To be moved from ${from.database} and ${from.storage} to ${places.database} and ${places.storage}:`
    screen.result([first, ...linesOf(contents)], { from, to: places, dryRun: true, ...contents })
    return exitCodes.ok
  }
  const startedAt = performance.now()
  const outcome = await moveStores({
    ...from,
    to,
    acceptDamage: flags.acceptDamage === true,
    now: Date.now,
    expect: screen.expect,
    moved: screen.moved,
  })
  const seconds = (performance.now() - startedAt) / 1000
  const { lost, finished } = outcome
  const after = `after ${formatSeconds(seconds)}`
  screen.result(
    finished
      ? [
          `Moved to ${places.database} and ${places.storage}, ${after}:`,
          ...linesOf(outcome),
          ...lost.map((what) => `  LOST: ${what}`),
          'Start the servers with these as DATABASE_URL and STORAGE_URL; agents go on by themselves.',
        ]
      : [
          `NOT FINISHED, ${after}: everything was moved but for`,
          ...lost.map((what) => `  ${what}`),
          'Mend these and run move again, or run it with --accept-damage, which moves the rest without them.',
        ],
    { from, to: places, ...outcome, seconds },
  )
  return finished ? exitCodes.ok : exitCodes.failed
}

function linesOf({ rows, downloads, clients, files, parts }: Contents): string[] {
  return [
    `  database        ${rows} rows: ${clients} clients, ${downloads} downloads`,
    `  finished files  ${files.files}, ${formatBytes(files.bytes)}`,
    `  under way       ${parts.files}, ${formatBytes(parts.bytes)} received`,
  ]
}
