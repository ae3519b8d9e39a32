import { randomUUID } from 'node:crypto'
import { link, open, readdir, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
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

/**
 * Removes what a process that was killed left beside a file that it was to replace.
 * For whoever alone writes that file: the new content of another would go too.
 */
export async function removeUnfinished(path: string): Promise<void> {
  const folder = dirname(path)
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(path)}.`)) continue
    if (UNFINISHED.test(name.slice(basename(path).length))) await rm(join(folder, name), { force: true })
  }
}

const UNFINISHED = /^\.[0-9a-f-]{36}\.new$/

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
