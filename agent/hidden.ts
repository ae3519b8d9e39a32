import { dirname } from 'node:path'
import { systemCode } from '../shared/errors.ts'
import type { Log } from '../shared/log.ts'
import type { Shared } from './allow.ts'
import { JobFailure, quote } from './failure.ts'
import { hidingOf, type Hiding } from './sandbox.ts'

/** What a path answers with that something else was put over. */
const suspicious = new Set(['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'])

/**
 * The failure that tells the truth, where a file seems to be missing or forbidden only because the service's sandbox hides it.
 * @param path absolute, of what is shared: nothing must be told of anything else
 * @param shown how the message names what was asked for
 */
export async function hiddenFailure(path: string, shown: string, shared: Shared): Promise<JobFailure | undefined> {
  const hiding = await hidingOf(path)
  return hiding && new JobFailure('hidden', sentenceOf(hiding, shown, folderOf(path, hiding, shared)))
}

/** The same for an error of the file system, which has the path in it. */
export async function hiddenBy(error: unknown, shown: string, shared: Shared): Promise<JobFailure | undefined> {
  if (!suspicious.has(systemCode(error) ?? '')) return undefined
  const { path } = error as NodeJS.ErrnoException
  return path === undefined ? undefined : hiddenFailure(path, shown, shared)
}

/** Says at the start what is shared and can never be sent. */
export async function warnOfHidden({ shared, log }: { shared: Shared; log: Log }): Promise<void> {
  for (const path of [shared.file, ...shared.roots]) {
    const failure = await hiddenFailure(path, quote(path), shared)
    if (failure) log.warn(failure.message)
  }
}

function sentenceOf({ over, by, sealed }: Hiding, shown: string, folder: string): string {
  const todo = {
    shown: `with BindReadOnlyPaths=${folder}`,
    // What lies in there cannot be shown while it is sealed.
    home: `with ProtectHome=tmpfs and BindReadOnlyPaths=${folder}`,
    sealed: `without ${by}${over}`,
  }
  const how = sealed ? (by === 'ProtectHome=' ? todo.home : todo.sealed) : todo.shown
  return `${shown} is hidden from this service by its sandbox (${by}). A drop-in ${how} shows it.`
}

/** What is to be shown: the shared folder that it is for, where that lies in what is hidden. */
function folderOf(path: string, { over }: Hiding, { file, roots }: Shared): string {
  const holding = [...roots, dirname(file)].filter((folder) => isWithin(path, folder) && isWithin(folder, over))
  const nearest = holding.toSorted((a, b) => b.length - a.length)[0]
  // All of /home, say, would be more than is asked for.
  return nearest === undefined || nearest === over ? path : nearest
}

const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`)
