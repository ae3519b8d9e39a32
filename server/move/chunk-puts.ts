import type { FileHandle } from 'node:fs/promises'
import { algorithmOf, runningDigest, type ChunkDigest } from '../../shared/digest.ts'
import type { ChunkAlgorithm } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import { blocks } from '../backup/copy.ts'
import type { ByteStore, ChunkWriter, Part } from '../byte-ports.ts'
import type { Chunk } from '../ports.ts'

/** What is put, and what its digest must be; without one, whatever is there is taken. */
export type Wanted = Range & { digest?: ChunkDigest }

/**
 * Reads a range of a file, and puts it into the same part of another store.
 * @param see hears of the bytes, in order
 * @returns the chunk as a promise, which is made while the caller reads on; undefined where the bytes are not there, or do
 * not have the digest
 */
export async function putRange(
  bytes: ByteStore,
  part: Part,
  from: FileHandle,
  { start, end, digest }: Wanted,
  see: (bytes: Uint8Array) => void,
): Promise<{ committed: Promise<Chunk> } | undefined> {
  const writer = await bytes.openWriter(part, { start, end })
  let kept = false
  try {
    const found = await readRange(
      from,
      { start, end },
      digest === undefined ? 'crc32' : algorithmOf(digest),
      async (block) => {
        see(block)
        await writer.write([block])
      },
    )
    if (found === undefined || (digest !== undefined && found !== digest)) return undefined
    kept = true
    return { committed: commit(writer, { start, end, digest: found }) }
  } finally {
    if (!kept) await writer.close()
  }
}

/** @returns the digest of the range; undefined where the file ends before */
export async function readRange(
  from: FileHandle,
  range: Range,
  algorithm: ChunkAlgorithm,
  take: (block: Uint8Array) => Promise<void> | void,
): Promise<ChunkDigest | undefined> {
  const hash = runningDigest(algorithm)
  let length = 0
  for await (const { bytes } of blocks(from, range)) {
    hash.update(bytes)
    await take(bytes)
    length += bytes.byteLength
  }
  return length === range.end - range.start ? hash.hex() : undefined
}

async function commit(writer: ChunkWriter, chunk: Omit<Chunk, 'tag'>): Promise<Chunk> {
  try {
    return { ...chunk, tag: await writer.commit() }
  } finally {
    await writer.close()
  }
}
