import { randomFillSync } from 'node:crypto'
import { open, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

const MiB = 1024 * 1024

/** `$HOME/file_to_download.txt`, which an agent shares when nothing else is said. */
export function defaultFile(): string {
  return join(homedir(), 'file_to_download.txt')
}

/**
 * Writes a text file of exactly `size` bytes, different at every run; it appears complete or not at all.
 * @param size bytes
 */
export async function writeSampleFile(path: string, size = 100 * MiB): Promise<void> {
  const unfinished = `${path}.new-${process.pid}`
  const file = await open(unfinished, 'w')
  try {
    const noise = Buffer.alloc((MiB * 3) / 4)
    for (let at = 0; at < size; at += MiB) {
      const text = Buffer.from(randomFillSync(noise).toString('base64').replace(/.$/, '\n'))
      await file.write(text, 0, Math.min(MiB, size - at), at)
    }
  } finally {
    await file.close()
  }
  await rename(unfinished, path)
}
