import type { Systemd } from '../systemd.ts'
import { UPDATE_PATH_UNIT, UPDATE_UNIT } from './paths.ts'

/** Nothing is installed from here on. What is under way ends; it is gone on with when updates are wanted again. */
export async function stopWatching(systemd: Systemd): Promise<void> {
  // Where there is no such unit, there is nothing to be stopped.
  await systemd.control('disable', '--quiet', UPDATE_PATH_UNIT).catch(() => undefined)
  for (const unit of [UPDATE_PATH_UNIT, UPDATE_UNIT]) {
    await systemd.control('stop', unit).catch(() => undefined)
    await systemd.control('reset-failed', unit).catch(() => undefined)
  }
}
