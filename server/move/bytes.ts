import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { createBudget } from '../../shared/budget.ts'
import { sha256 } from '../../shared/digest.ts'
import { isAppError } from '../../shared/errors.ts'
import { pieces, totalLength, type Range } from '../../shared/ranges.ts'
import { openRegular, type Moved } from '../backup/copy.ts'
import { checkedName, checkedPart } from '../backup/layout.ts'
import type { ByteStore, Part } from '../byte-ports.ts'
import type { Chunk } from '../ports.ts'
import { partsFolder } from '../stores/disk/layout.ts'
import type { Finished, Promised, Promises } from '../stores/sqlite/promised.ts'
import { putRange, readRange, type Wanted } from './chunk-puts.ts'
import { MoveError } from './errors.ts'
import { groupsOf } from './groups.ts'
import { insisting } from './insisting.ts'
import { landing, type Add } from './landing.ts'
import type { Target } from './target.ts'

/** What is missing or damaged, in words; and how the new database is told, if that is accepted. */
export interface Loss {
  what: string
  accept: () => Promise<void>
}

export interface ByteMover {
  /** Brings what is there of an attempt, chunk by chunk, each compared with its digest. */
  part(part: Promised): Promise<void>
  /** Brings a finished file, compared with the SHA-256 that it was verified with. */
  finished(file: Finished): Promise<void>
}

const MiB = 2 ** 20
/** Chunks of finished files: as long as waits in memory for its way to the store, and not too many of them. */
const CHUNK = 8 * MiB
const MOST_CHUNKS = 9_000
/** Chunks on their way at once. */
const AT_ONCE = 6
/** Chunks that are looked for together. */
const GROUP = 24

/**
 * Brings the bytes to a new place. What was cut off is gone on with: a chunk that has its row there is not put again.
 * @param deps.storage the folder of the old server's files
 */
export function createByteMover(deps: {
  storage: string
  source: Pick<Promises, 'chunks'>
  bytes: ByteStore
  target: Target
  now: () => number
  moved: Moved
  lose: (loss: Loss) => void
}): ByteMover {
  const { storage, source, bytes, target, now, moved, lose } = deps
  const slots = createBudget(AT_ONCE)
  const never = new AbortController().signal

  /** The same as `putRange`, in its turn. */
  const put = async (part: Part, from: FileHandle, wanted: Wanted, see: (bytes: Uint8Array) => void) => {
    const giveBack = await slots.reserve(1, never)
    const begun = await putRange(bytes, part, from, wanted, see).catch((error: unknown) => {
      giveBack()
      throw error
    })
    if (!begun) giveBack()
    return begun && { committed: begun.committed.finally(giveBack) }
  }

  /** The chunks that have their rows, by where they start. */
  const thereOf = async ({ id, attempt }: Part, group: readonly Range[]): Promise<Map<number, Chunk>> => {
    const rows = await target.rows.chunksFrom(id, attempt, group[0]?.start ?? 0, group.length)
    return new Map(rows.map((row) => [row.start, row]))
  }

  /** @returns how many bytes are lost */
  const moveChunks = (part: Part, from: FileHandle, count: Moved): Promise<number> =>
    landing(
      (chunks) => target.addChunks(part, chunks),
      async (add) => {
        let lost = 0
        for (const group of groupsOf(source.chunks(part), GROUP)) {
          const there = await thereOf(part, group)
          for (const chunk of group) {
            const length = chunk.end - chunk.start
            const begun = there.has(chunk.start) || (await put(part, from, chunk, () => undefined))
            if (!begun) lost += length
            else if (begun !== true) add(begun.committed)
            count(length)
          }
        }
        return lost
      },
    )

  const movePart = async (part: Promised, count: Moved): Promise<void> => {
    const name = checkedPart(part)
    const from = await openRegular(join(partsFolder(storage), name))
    if (!from) {
      count(part.received)
      return lose({ what: `${name} is missing`, accept: () => target.losePart(part) })
    }
    try {
      await bytes.createPart(part, part.size)
      const lost = await moveChunks(part, from, count)
      const there = totalLength(await target.rows.received(part.id, part.attempt))
      if (there + lost !== part.received) throw new Error(`${name} has ${there} bytes, not ${part.received - lost}`)
      if (lost === 0) return
      const accept = () => (part.whole ? target.losePart(part) : target.loseChunks(part))
      lose({ what: `${name} has lost ${lost} bytes`, accept })
    } finally {
      await from.close()
    }
  }

  /** @returns whether the bytes have the digest that they were verified with */
  const sendFile = async (file: Finished, from: FileHandle, count: Moved): Promise<boolean> => {
    const { size } = await from.stat()
    if (size !== file.size) return false
    const hash = sha256()
    const see = (block: Uint8Array): void => void hash.update(block)
    const sendRanges = async (add: Add): Promise<boolean> => {
      for (const group of groupsOf(pieces({ start: 0, end: size }, chunkLength(size)), GROUP)) {
        const there = await thereOf(file, group)
        for (const range of group) {
          const known = there.get(range.start)?.digest
          const begun = known === undefined && (await put(file, from, range, see))
          if (begun) add(begun.committed)
          else if (known === undefined || (await readRange(from, range, 'crc32', see)) !== known) return false
          count(range.end - range.start)
        }
      }
      return true
    }
    const same = await landing((chunks) => target.addChunks(file, chunks), sendRanges)
    return same && (file.sha256 === null || hash.digest('hex') === file.sha256)
  }

  const nameFile = async (file: Finished): Promise<void> => {
    if (!(await bytes.publish(file, file.name, target.rows)))
      throw new MoveError('not-empty', `Something else is at ${bytes.location(file.name)}; remove it, and move again.`)
    await target.addFile(file)
    await bytes.removePart(file)
  }

  const isThere = async (file: Finished): Promise<boolean> => {
    if (!(await target.hasFile(file.id))) return false
    try {
      const content = await bytes.openContent(file.name)
      await content.close()
      return content.size === file.size
    } catch (error) {
      if (isAppError(error, 'content-removed')) return false
      throw error
    }
  }

  const moveFile = async (file: Finished, count: Moved): Promise<void> => {
    if (await isThere(file)) return count(file.size)
    const from = await openRegular(join(storage, checkedName(file.name)))
    const accept = () => target.loseFile(file, now())
    if (!from) {
      count(file.size)
      return lose({ what: `${file.name} is missing`, accept })
    }
    try {
      await bytes.createPart(file, file.size)
      if (await sendFile(file, from, count)) return await nameFile(file)
      // Should it be mended, all of it is sent again.
      await target.forgetChunks(file)
      await bytes.removePart(file)
      lose({ what: `${file.name} is damaged: it has not the SHA-256 that it was verified with`, accept })
    } finally {
      await from.close()
    }
  }

  return { part: insisting(movePart, moved), finished: insisting(moveFile, moved) }
}

/** @param size of a file, in bytes */
function chunkLength(size: number): number {
  return Math.max(CHUNK, Math.ceil(size / MOST_CHUNKS / MiB) * MiB)
}
