import { randomBytes } from 'node:crypto'
import type { ChunkWriter } from '../../byte-ports.ts'
import type { Objects } from './objects.ts'
import type { Spools } from './spool.ts'

/** Tells the objects of writers of one range apart: none ever writes over another's. */
export const newTag = (): string => randomBytes(8).toString('hex')

/**
 * A chunk that is put as one object when it is whole.
 * @param length of the chunk at most, in bytes
 * @param keyOf the object's key, by its tag
 */
export async function openChunkWriter(
  { objects, spools }: { objects: Objects; spools: Spools },
  length: number,
  keyOf: (tag: string) => string,
): Promise<ChunkWriter> {
  const spool = await spools.open(length)
  const tag = newTag()
  let sent = false
  return {
    write: spool.write,
    async commit() {
      sent = true
      await objects.putSpool(keyOf(tag), spool)
      return tag
    },
    async discard() {
      if (sent) await objects.remove(keyOf(tag))
    },
    close: spool.close,
  }
}
