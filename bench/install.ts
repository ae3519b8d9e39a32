import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Installs the peers' packages where they are missing. They have a lock file of their own; the product needs none. */
export function installPeers(): void {
  const folder = import.meta.dirname
  if (existsSync(join(folder, 'node_modules', 'tus-js-client'))) return
  const { status } = spawnSync('npm', ['ci', '--prefix', folder], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('npm ci could not install what Backhaul is measured against')
}
