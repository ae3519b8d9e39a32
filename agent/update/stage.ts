import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sha256 } from '../../shared/digest.ts'
import { systemCode } from '../../shared/errors.ts'
import { digestOfFile } from '../../shared/file-digest.ts'
import { makeFolder } from '../../shared/folder.ts'
import type { UpdateOrder } from '../../shared/protocol.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { UpdateFailure } from './failure.ts'
import { fetchFile, fetchList, type FetchDeps } from './fetch.ts'
import { digestIn, packedName, SIGNATURE, SUMS } from './files.ts'

export interface StageDeps extends FetchDeps {
  /** The agent's folder for updates. */
  dir: string
  /** As Node names it: `linux-x64`. */
  platform: string
}

/**
 * Fetches what an order needs into the agent's folder: the list, its signature, and the packed executable. Its digest is
 * looked at so that damage is found early; nobody trusts that.
 * @throws UpdateFailure, the signal's reason, what the system says of the folder
 */
export async function stage({ version }: UpdateOrder, deps: StageDeps, signal: AbortSignal): Promise<void> {
  const { dir, platform } = deps
  const name = packedName(version, platform)
  const [file, part] = [join(dir, name), join(dir, `${name}.part`)]
  await makeFolder(dir, 0o700)
  for (const old of await readdir(dir))
    if (![name, `${name}.part`].includes(old)) await rm(join(dir, old), { recursive: true })

  const sums = (await fetchList(SUMS, deps, signal)).toString()
  const signature = (await fetchList(SIGNATURE, deps, signal)).toString()
  const digest = digestIn(sums, name)
  if (digest === undefined)
    throw new UpdateFailure(
      `the server's release has no ${name}: its release is another one by now, or for other platforms`,
    )
  if ((await digestOf(file)) !== digest) await fetchWhole({ name, part, digest }, deps, signal)
  await replaceFile(join(dir, SUMS), sums)
  await replaceFile(join(dir, SIGNATURE), signature)
}

async function fetchWhole(
  { name, part, digest }: { name: string; part: string; digest: string },
  deps: StageDeps,
  signal: AbortSignal,
): Promise<void> {
  for (const again of [true, false]) {
    await fetchFile(name, part, deps, signal)
    if ((await digestOf(part)) === digest) {
      await rename(part, join(deps.dir, name))
      return
    }
    // What lay there may be of another release, once.
    await rm(part)
    if (!again) throw new UpdateFailure(`${name} of the server is not what its SHA256SUMS says`)
  }
}

/** Undefined for a file that is not there. */
async function digestOf(file: string): Promise<Sha256 | undefined> {
  return digestOfFile(file).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}
