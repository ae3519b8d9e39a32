import { formatBytes, formatSeconds } from '../../shared/format.ts'
import { restore as restoreStores } from '../backup/restore.ts'
import type { Config } from '../config.ts'
import { exitCodes, type ExitCode } from '../exit-codes.ts'
import { ownStores } from './own-stores.ts'
import type { Screen } from './screen.ts'

export interface RestoreFlags {
  acceptDamage?: boolean
}

/** `restore FOLDER`. @returns 1 when something of the backup was lost, and that was accepted */
export async function restore({
  folder,
  flags,
  settings,
  screen,
}: {
  folder: string
  flags: RestoreFlags
  settings: Config
  screen: Screen
}): Promise<ExitCode> {
  const startedAt = performance.now()
  const { database, storage } = ownStores(settings)
  const { manifest, lost } = await restoreStores({
    from: folder,
    database,
    storage,
    acceptDamage: flags.acceptDamage === true,
    now: Date.now,
    expect: screen.expect,
    moved: screen.moved,
  })
  const seconds = (performance.now() - startedAt) / 1000
  const { createdAt, files, parts } = manifest
  screen.result(
    [
      `Restored the backup of ${createdAt}, after ${formatSeconds(seconds)}:`,
      `  database        ${database}`,
      `  finished files  ${files.count}, ${formatBytes(files.bytes)} in ${storage}`,
      `  under way       ${parts.count}, ${formatBytes(parts.bytes)} received; agents send the rest by themselves`,
      ...lost.map((what) => `  LOST: ${what}`),
      'What was revoked since then is in force again: revoke it once more.',
    ],
    { folder, ...manifest, database, storage, lost, seconds },
  )
  return lost.length === 0 ? exitCodes.ok : exitCodes.failed
}
