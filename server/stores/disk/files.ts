import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { systemCode } from '../../../shared/errors.ts'

/** Makes the entries of a folder durable: a new, linked or removed name is not, until its folder is synced. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Waits for a file operation; undefined when the file does not exist. */
export async function unlessMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
