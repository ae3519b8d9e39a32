import { randomUUID } from 'node:crypto'
import { link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from './folder.ts'
import { renameFile } from './rename.ts'

/**
 * Replaces a file so that a reader after any crash finds the old content or the new, whole, and nothing but its owner can
 * read it. It is on disk when this returns.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  await written(path, text, (unfinished) => renameFile(unfinished, path))
}

/** The same for a file that must not be there yet. @throws EEXIST */
export async function makeFile(path: string, text: string): Promise<void> {
  await written(path, text, (unfinished) => link(unfinished, path))
}

async function written(path: string, text: string, name: (unfinished: string) => Promise<void>): Promise<void> {
  // A name of its own: two that write at once do not mix, and nobody has put anything there.
  const unfinished = `${path}.${randomUUID()}.new`
  try {
    const file = await open(unfinished, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await name(unfinished)
  } finally {
    await rm(unfinished, { force: true })
  }
  await syncFolder(dirname(path))
}
