import type { FileHandle } from 'node:fs/promises'
import type { Promised, Snapshot } from '../stores/sqlite/snapshot.ts'
import { copyRange, makeWhole, type Moved } from './copy.ts'

/**
 * Copies of a part what its rows promise, chunk by chunk, each compared with its digest; what else is in it is no use to
 * anybody. The rows of what is not there are forgotten: it will be sent again.
 * @param from it is closed; undefined when there is none
 * @returns the bytes that were copied, undefined when nothing is left of it, and how many are lost
 */
export async function copyPart({
  snapshot,
  part,
  from,
  to,
  moved,
}: {
  snapshot: Snapshot
  part: Promised
  from: FileHandle | undefined
  to: string
  moved: Moved
}): Promise<{ bytes: number | undefined; lost: number }> {
  if (!from) {
    snapshot.forgetPromised(part)
    moved(part.received)
    return { bytes: undefined, lost: part.received }
  }
  const sum = { bytes: 0, lost: 0 }
  try {
    await makeWhole(to, async (file) => {
      for (const chunk of snapshot.chunks(part)) {
        const length = chunk.end - chunk.start
        if (await copyRange({ from, to: file }, chunk, moved)) sum.bytes += length
        else {
          sum.lost += length
          snapshot.forgetChunk(part, chunk)
        }
      }
      await file.truncate(part.size)
      return true
    })
  } finally {
    await from.close()
  }
  if (!part.whole || sum.lost === 0) return sum
  snapshot.forgetPromised(part)
  return { bytes: undefined, lost: sum.lost + sum.bytes }
}
