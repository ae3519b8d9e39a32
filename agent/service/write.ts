import { chmod, mkdir, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { replaceFile } from '../../shared/replace-file.ts'
import { textOf } from './installed.ts'
import type { Wanted } from './plan.ts'

/** Makes files as they are wanted; each is old or new, whole. @returns the paths of those that were not so before */
export async function writeFiles(files: readonly Wanted[]): Promise<string[]> {
  const changed: string[] = []
  for (const { path, text, mode } of files) {
    if (await isSo({ path, text, mode })) continue
    changed.push(path)
    if (text === undefined) {
      await rm(path)
      continue
    }
    const made = await mkdir(dirname(path), { recursive: true })
    // Whatever the mask of who does it: the service's own user must get in, to what is public.
    if (made !== undefined) await chmod(dirname(path), 0o755)
    await replaceFile(path, text)
    if (mode !== 0o600) await chmod(path, mode)
  }
  return changed
}

async function isSo({ path, text, mode }: Wanted): Promise<boolean> {
  if ((await textOf(path)) !== text) return false
  return text === undefined || ((await stat(path)).mode & 0o777) === mode
}
