import { randomFillSync } from 'node:crypto'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../shared/digest.ts'
import { sha256OfFile } from '../tests/helpers/folder.ts'

export const MiB = 1024 * 1024

/** A file that is sent. */
export interface Source {
  path: string
  /** Bytes. */
  size: number
  sha256: string
}

/** Writes random bytes: nothing on the way can make them less. @param size bytes */
export async function writeRandomFile(path: string, size: number): Promise<Source> {
  const file = await open(path, 'w')
  const hash = sha256()
  const block = Buffer.alloc(MiB)
  try {
    for (let at = 0; at < size; at += block.length) {
      const piece = randomFillSync(block).subarray(0, Math.min(block.length, size - at))
      hash.update(piece)
      await file.write(piece)
    }
  } finally {
    await file.close()
  }
  return { path, size, sha256: hash.digest('hex') }
}

/** Makes a file that is nothing but a hole: for sizes that the disk has no room for. @param size bytes */
export async function writeHole(path: string, size: number): Promise<Source> {
  const file = await open(path, 'w')
  try {
    await file.truncate(size)
  } finally {
    await file.close()
  }
  return { path, size, sha256: await sha256OfFile(path) }
}

/** @throws Error unless a file with exactly these bytes lies below the folder */
export async function expectStored(folder: string, { size, sha256: wanted }: Source): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    // The programs still run: what they write for themselves comes and goes.
    const found = entry.isFile() ? await stat(path).catch(() => undefined) : undefined
    if (found?.size === size && (await sha256OfFile(path)) === wanted) return
  }
  throw new Error('the file did not arrive as it was sent')
}
