import { dirname, join } from 'node:path'
import { readAsset } from '../../../shared/assets.ts'
import { ConfigError } from '../../../shared/env.ts'
import { messageOf } from '../../../shared/errors.ts'
import { textOf } from '../installed.ts'
import type { Asked } from '../options.ts'
import { SERVICE, type ServicePaths } from '../paths.ts'
import type { Wanted } from '../plan.ts'
import { versionFile } from './paths.ts'
import { publicKey } from './verify.ts'

export interface UpdatePlan {
  /** Whether this site is to take updates from its server. */
  on: boolean
  files: Wanted[]
}

/**
 * Whether the site takes updates, and what must lie where for that. It does where install.sh said whose releases are good,
 * until somebody says that it should not.
 * @param site.off whether somebody said so before @param site.packaged whether a package brings the service
 * @throws ConfigError
 */
export async function planUpdates(
  { releaseKey, updates }: Pick<Asked, 'releaseKey' | 'updates'>,
  { paths, executable, off, packaged }: { paths: ServicePaths; executable: string; off: boolean; packaged: boolean },
): Promise<UpdatePlan> {
  const { key: keyFile, pathUnit, serviceUnit, outcome } = paths.update
  const ours = !packaged && dirname(executable) === dirname(versionFile(paths.update, ''))
  if ((releaseKey !== undefined || updates === true) && !ours)
    throw new ConfigError([
      packaged
        ? 'this agent came as a package, and is updated as one: without --release-key and --updates'
        : `only what install.sh installed is updated from the server, and this is ${executable}: without --release-key and --updates`,
    ])
  const key = releaseKey === undefined ? await textOf(keyFile) : await readKey(releaseKey)
  if (updates === true && key === undefined)
    throw new ConfigError([
      '--updates needs to know whose releases are good: --release-key FILE, or run install.sh again',
    ])
  const on = ours && key !== undefined && updates !== false && (updates === true || !off)
  const dropIn = [
    '# Written by `backhaul-agent service install`, which writes it anew.',
    '[Service]',
    `Environment=UPDATE_OUTCOME=${outcome}`,
    '',
  ].join('\n')
  const texts = {
    [pathUnit]: unitOf('path'),
    [serviceUnit]: unitOf('service'),
    [join(paths.dropIns, 'updates.conf')]: dropIn,
  }
  const units = Object.entries(texts).map(([path, text]) => ({ path, text: on ? text : undefined, mode: 0o644 }))
  // It stays for those who think better of it.
  return { on, files: ours && key !== undefined ? [{ path: keyFile, text: key, mode: 0o644 }, ...units] : units }
}

const unitOf = (kind: 'path' | 'service'): string =>
  readAsset(new URL(`../../../packaging/agent/${SERVICE}-update.${kind}`, import.meta.url))

/** @throws ConfigError */
async function readKey(file: string): Promise<string> {
  try {
    const text = (await textOf(file)) ?? ''
    publicKey(text)
    return text
  } catch (error) {
    throw new ConfigError([`--release-key ${file} cannot be used: ${messageOf(error)}`])
  }
}
