import { constants } from 'node:fs'
import { mkdir, open, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { own } from './platform.ts'

/** Makes the entries of a folder durable: a new, linked or removed name is not, until its folder is synced. */
export async function syncFolder(path: string): Promise<void> {
  if (!own.syncsFolders) return
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/**
 * Makes a folder and those above it, durably.
 * @param mode of those that are made
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  const last = resolve(path)
  const first = await mkdir(last, mode === undefined ? { recursive: true } : { recursive: true, mode })
  if (first === undefined || !own.syncsFolders) return
  for (let made = last; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
}

/** What may still be written where a folder is, by users without rights: bytes. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
