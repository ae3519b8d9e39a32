import { stat } from 'node:fs/promises'
import type { Log } from '../shared/log.ts'
import { own } from '../shared/platform.ts'
import { keyFiles } from './credential.ts'

/** Says where others than their owner may read, or replace, a key of this site: who copies it can pose as the site. */
export async function checkKeyMode({ dir, log }: { dir: string; log: Pick<Log, 'warn'> }): Promise<void> {
  if (!own.hasModes) return
  for (const path of keyFiles(dir)) {
    const mode = await stat(path).then(
      (found) => found.mode & 0o777,
      // It is not there, or not to be read: whoever needs it says so.
      () => 0,
    )
    if ((mode & 0o077) !== 0)
      log.warn(
        `others may read ${path} (mode ${mode.toString(8).padStart(4, '0')}), and pose as this site: chmod 600 ${path}`,
      )
  }
}
