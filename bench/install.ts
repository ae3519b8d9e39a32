import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Installs the peers' packages where they are missing. They have a lock file of their own; the product needs none.
 * @returns why they cannot be had, if so
 */
export function installPeers(): string | undefined {
  const folder = import.meta.dirname
  if (existsSync(join(folder, 'node_modules', 'tus-js-client'))) return undefined
  const { status } = spawnSync('npm', ['ci', '--prefix', folder], { stdio: ['ignore', 2, 2] })
  return status === 0 ? undefined : '`npm ci --prefix bench` could not install it'
}
