import { open, rename } from 'node:fs/promises'

/** Replaces a file so that a reader after any crash finds the old content or the new, whole. Only its owner can read it. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const unfinished = `${path}.new`
  const file = await open(unfinished, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(unfinished, path)
}
