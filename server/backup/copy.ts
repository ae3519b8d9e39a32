import { constants } from 'node:fs'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { runningDigest, sha256, type ChunkDigest, algorithmOf } from '../../shared/digest.ts'
import { systemCode } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'

/** Bytes that are read, hashed and written at a time. */
const BLOCK = 1024 * 1024
const ZEROS = Buffer.alloc(BLOCK)

/** Hears of every byte that was copied or compared. */
export type Moved = (bytes: number) => void

/**
 * Opens what is to be copied.
 * @returns undefined when there is no file of that name: a folder, a link, a pipe are none
 */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  let file: FileHandle | undefined
  try {
    // A link would lead out of the folder, and a pipe would be waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if ((await file.stat()).isFile()) return file
    await file.close()
    return undefined
  } catch (error) {
    await file?.close()
    if (['ENOENT', 'ELOOP', 'ENXIO', 'EISDIR'].includes(systemCode(error) ?? '')) return undefined
    throw error
  }
}

/** Where a file is made until it is whole: no finished file has a name that begins with a dot, others may end in `.new`. */
export const unfinishedOf = (path: string): string => join(dirname(path), `.${basename(path)}.new`)

/**
 * Makes a file that is there as a whole and durable, or as it was before, but for its name: the folder is to be synced.
 * @param fill writes it, and says whether it is to have its name
 */
export async function makeWhole(path: string, fill: (file: FileHandle) => Promise<boolean>): Promise<boolean> {
  const unfinished = unfinishedOf(path)
  await rm(unfinished, { force: true })
  let good = false
  try {
    const file = await open(unfinished, 'wx')
    try {
      good = await fill(file)
      if (good) await file.sync()
    } finally {
      await file.close()
    }
    if (good) await rename(unfinished, path)
    return good
  } finally {
    await rm(unfinished, { force: true })
  }
}

/**
 * The bytes of `range`, read one block after the other into the same memory. Ends early where the file does, or its disk
 * fails: a digest tells, and one bad sector is no reason to copy nothing else.
 */
export async function* blocks(file: FileHandle, { start, end }: Range): AsyncGenerator<{ at: number; bytes: Buffer }> {
  const block = Buffer.allocUnsafe(Math.min(BLOCK, end - start))
  for (let at = start; at < end;) {
    const length = Math.min(block.byteLength, end - at)
    const bytesRead = await file.read(block, 0, length, at).then(
      (read) => read.bytesRead,
      (error: unknown) => {
        if (systemCode(error) === 'EIO') return 0
        throw error
      },
    )
    if (bytesRead === 0) return
    yield { at, bytes: block.subarray(0, bytesRead) }
    at += bytesRead
  }
}

async function write(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  // Nothing but zeros stays a hole.
  if (bytes.equals(ZEROS.subarray(0, bytes.byteLength))) return
  for (let done = 0; done < bytes.byteLength;) {
    done += (await file.write(bytes, done, bytes.byteLength - done, position + done)).bytesWritten
  }
}

/**
 * Copies a whole file into an empty one, holes as holes.
 * @returns its SHA-256, and how many bytes it has
 */
export async function copyFile(
  from: FileHandle,
  to: FileHandle,
  moved: Moved,
): Promise<{ sha256: string; size: number }> {
  const hash = sha256()
  let size = 0
  for await (const { at, bytes } of blocks(from, { start: 0, end: Number.MAX_SAFE_INTEGER })) {
    hash.update(bytes)
    await write(to, bytes, at)
    size = at + bytes.byteLength
    moved(bytes.byteLength)
  }
  await to.truncate(size)
  return { sha256: hash.digest('hex'), size }
}

/** The SHA-256 of a file. */
export async function digestOf(from: FileHandle, moved: Moved): Promise<string> {
  const hash = sha256()
  for await (const { bytes } of blocks(from, { start: 0, end: Number.MAX_SAFE_INTEGER })) {
    hash.update(bytes)
    moved(bytes.byteLength)
  }
  return hash.digest('hex')
}

/**
 * Copies a range to the same place in another file.
 * @returns whether its bytes were there, and had the digest
 */
export async function copyRange(
  { from, to }: { from: FileHandle; to: FileHandle },
  { start, end, digest }: Range & { digest: ChunkDigest },
  moved: Moved,
): Promise<boolean> {
  const hash = runningDigest(algorithmOf(digest))
  let length = 0
  for await (const { at, bytes } of blocks(from, { start, end })) {
    hash.update(bytes)
    await write(to, bytes, at)
    length += bytes.byteLength
    moved(bytes.byteLength)
  }
  return length === end - start && hash.hex() === digest
}
