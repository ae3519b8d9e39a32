import { rm } from 'node:fs/promises'
import { ConfigError } from '../../../shared/env.ts'
import type { Manager } from './manager.ts'

/**
 * Ends the service and removes all that it had: program, settings, logs, and the site's key.
 * @param executable that runs this
 * @throws ConfigError before anything is changed
 */
export async function uninstall({
  manager,
  executable,
  say,
}: {
  manager: Manager
  executable: string
  say: (line: string) => void
}): Promise<void> {
  const { folders, leavings, paths, platform } = manager
  // Windows removes no program that runs.
  if (platform === 'win32' && paths.fold(executable) === paths.fold(folders.program))
    throw new ConfigError([`${executable} cannot remove itself: copy it elsewhere, and call it there`])
  await manager.remove()
  for (const path of leavings)
    // What has just ended holds its files a moment longer, on Windows.
    await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  say('the agent is stopped, and its settings and keys are removed')
}
