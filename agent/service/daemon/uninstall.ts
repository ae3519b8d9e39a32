import { rm } from 'node:fs/promises'
import type { Manager } from './manager.ts'

/** Ends the service and removes all that it had: program, settings, logs, and the site's key. */
export async function uninstall({ manager, say }: { manager: Manager; say: (line: string) => void }): Promise<void> {
  const { config, logs, program } = manager.folders
  await manager.remove()
  for (const path of [config, logs, program])
    // What has just ended holds its files a moment longer, on Windows.
    await rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  say('the agent is stopped, and its settings and keys are removed')
}
