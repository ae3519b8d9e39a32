import { randomFillSync } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { homeFolder } from './home.ts'

const MiB = 1024 * 1024

/** `$HOME/file_to_download.txt`, which an agent shares when nothing else is said. */
export function defaultFile(): string {
  return join(homeFolder(), 'file_to_download.txt')
}

/**
 * Writes a text file, different at every run; it appears complete or not at all.
 * @param size bytes
 * @throws the signal's reason
 */
export async function writeSampleFile(path: string, size = 100 * MiB, signal?: AbortSignal): Promise<void> {
  const unfinished = `${path}.new-${process.pid}`
  try {
    const file = await open(unfinished, 'w')
    try {
      await writeText(file, size, signal)
    } finally {
      await file.close()
    }
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

async function writeText(file: FileHandle, size: number, signal: AbortSignal | undefined): Promise<void> {
  const noise = Buffer.alloc((MiB * 3) / 4)
  for (let at = 0; at < size; at += MiB) {
    signal?.throwIfAborted()
    const text = Buffer.from(randomFillSync(noise).toString('base64').replace(/.$/, '\n'))
    await file.write(text, 0, Math.min(MiB, size - at), at)
  }
}
