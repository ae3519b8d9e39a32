import { formatBytes, formatSeconds } from '../../shared/format.ts'
import { backUp } from '../backup/back-up.ts'
import type { Config } from '../config.ts'
import { exitCodes, type ExitCode } from '../exit-codes.ts'
import { ownStores } from './own-stores.ts'
import type { Screen } from './screen.ts'

export interface BackupFlags {
  link?: boolean
  verify?: boolean
}

/** `backup FOLDER`. @returns 1 when something that the server should have is not in the backup */
export async function backup({
  folder,
  flags,
  settings,
  screen,
  version,
}: {
  folder: string
  flags: BackupFlags
  settings: Config
  screen: Screen
  version: string
}): Promise<ExitCode> {
  // Whoever reads the backup reads everything: it is its maker's alone.
  process.umask(0o077)
  const startedAt = performance.now()
  const { manifest, files } = await backUp({
    ...ownStores(settings),
    to: folder,
    link: flags.link === true,
    verify: flags.verify === true,
    version,
    now: Date.now,
    expect: screen.expect,
    moved: screen.moved,
  })
  const seconds = (performance.now() - startedAt) / 1000
  const { copied, linked, kept, lost } = files
  const { createdAt, database, parts } = manifest
  screen.result(
    [
      `Backup of ${createdAt} in ${folder}, after ${formatSeconds(seconds)}:`,
      `  database        ${formatBytes(database.size)}`,
      `  finished files  ${manifest.files.count}, ${formatBytes(manifest.files.bytes)}: ${copied} copied, ${linked} linked, ${kept} there already`,
      `  under way       ${parts.count}, ${formatBytes(parts.bytes)} received`,
      ...lost.map((what) => `  NOT AS IT SHOULD BE: ${what}`),
    ],
    { folder, ...manifest, files: { ...manifest.files, copied, linked, kept }, lost, seconds },
  )
  return lost.length === 0 ? exitCodes.ok : exitCodes.failed
}
