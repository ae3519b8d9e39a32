import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { openKey, signSums, writeInstaller } from '../../packaging/release.ts'
import { sha256Of } from './folder.ts'

/** A release that is signed as real ones are, with something small in place of the executables. */
export interface SmallRelease {
  folder: string
  /** The packed file for linux-x64 and linux-arm64, and what its SHA-256 is. */
  names: [string, string]
  sha256: string
  /** What is in them. */
  content: Buffer
}

/** @param size bytes of what takes the place of an executable, or `content` itself @param keyFile made when it is missing */
export async function makeRelease(
  folder: string,
  { size = 100_000, content = randomBytes(size), keyFile = join(folder, 'key') } = {},
): Promise<SmallRelease> {
  await mkdir(folder, { recursive: true })
  const packed = gzipSync(content)
  const names: [string, string] = ['backhaul-agent-9.8.7-rc.1-linux-x64.gz', 'backhaul-agent-9.8.7-rc.1-linux-arm64.gz']
  for (const name of names) await writeFile(join(folder, name), packed)
  const key = await openKey(keyFile)
  await writeInstaller({ to: join(folder, 'install.sh'), key })
  await signSums({ folder, files: [...names, 'install.sh'], key })
  return { folder, names, sha256: sha256Of(packed), content }
}
