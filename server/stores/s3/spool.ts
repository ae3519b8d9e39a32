import { createHash, randomUUID } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createArena } from '../../../shared/arena.ts'
import { lengthOf, type Batch } from '../../../shared/batches.ts'
import { AppError, messageOf } from '../../../shared/errors.ts'

const MiB = 2 ** 20
/** Memory for all. */
const MEMORY = 192 * MiB
/** What is longer waits in a temporary file. */
const MOST_IN_MEMORY = 8 * MiB
const BLOCK = MiB / 4
const SLICE = MiB

/** Bytes that wait until they are known whole: an object is put at once, with its length and its digest. */
export interface Spool {
  /** Takes a batch behind those before; its memory is the caller's again when this returns. */
  write(batch: Batch): Promise<void>
  /** What was written, in bytes. */
  length(): number
  /** The MD5 of what was written, in Base64. To be called once, at the end. */
  md5(): string
  /** What was written, from its beginning; as often as it is needed. */
  body(): Readable
  close(): Promise<void>
}

export interface Spools {
  /** @param length what is written at most, in bytes @throws AppError `store-busy` when it can wait nowhere */
  open(length: number): Promise<Spool>
}

/** Spools, all of them within one amount of memory; those that find none left lie in the folder for temporary files. */
export function createSpools({ folder = tmpdir(), memory = MEMORY } = {}): Spools {
  const arena = createArena({ size: memory })
  return {
    async open(length) {
      const buffer = length > MOST_IN_MEMORY ? undefined : arena.take(Math.max(1, length))
      if (!buffer) return hashing(await openFile(folder))
      return hashing(inMemory(buffer), async () => {
        arena.giveBack(buffer)
        arena.trim()
      })
    },
  }
}

interface Store {
  write(batch: Batch, at: number): Promise<void>
  body(length: number): Readable
  close(): Promise<void>
}

function hashing(store: Store, free?: () => Promise<void>): Spool {
  const hash = createHash('md5')
  let length = 0
  return {
    async write(batch) {
      for (const piece of batch) hash.update(piece)
      await store.write(batch, length)
      length += lengthOf(batch)
    },
    length: () => length,
    md5: () => hash.digest('base64'),
    body: () => store.body(length),
    async close() {
      await store.close()
      await free?.()
    },
  }
}

function inMemory(buffer: Buffer): Store {
  return {
    async write(batch, at) {
      let position = at
      for (const piece of batch) {
        buffer.set(piece, position)
        position += piece.byteLength
      }
    },
    body: (length) => Readable.from(slices(buffer.subarray(0, length)), { objectMode: false }),
    close: async () => undefined,
  }
}

/** Sending one large buffer costs several times the processor time. */
function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.byteLength; at += SLICE) yield bytes.subarray(at, at + SLICE)
}

async function openFile(folder: string): Promise<Store> {
  const file = await telling(folder, makeNameless(join(folder, `backhaul-${randomUUID()}.tmp`)))
  return {
    write: (batch, at) => telling(folder, writeAll(file, batch, at)),
    // Not a stream of Node's: that closes the file with itself, and it may have to be sent again.
    body: (length) => Readable.from(readAll(file, length), { objectMode: false, highWaterMark: BLOCK }),
    close: () => file.close(),
  }
}

async function* readAll(file: FileHandle, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < length;) {
    const block = Buffer.allocUnsafe(Math.min(BLOCK, length - at))
    const { bytesRead } = await file.read(block, 0, block.byteLength, at)
    if (bytesRead === 0) throw new Error(`the temporary file ends at ${at}, before ${length}`)
    at += bytesRead
    yield block.subarray(0, bytesRead)
  }
}

/** Without a name from the start, so that no crash leaves it behind. */
async function makeNameless(path: string): Promise<FileHandle> {
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** A short write is allowed (POSIX write); what is left goes on from there. */
async function writeAll(file: FileHandle, batch: Batch, at: number): Promise<void> {
  const { bytesWritten } = await file.writev(batch, at)
  if (bytesWritten === lengthOf(batch)) return
  const rest = Buffer.concat(batch).subarray(bytesWritten)
  for (let done = 0; done < rest.byteLength;) {
    done += (await file.write(rest, done, rest.byteLength - done, at + bytesWritten + done)).bytesWritten
  }
}

async function telling<T>(folder: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation
  } catch (error) {
    const message = `The folder for temporary files, ${folder}, cannot be written: ${messageOf(error)}. TMPDIR names another.`
    throw new AppError('store-busy', message, {}, { cause: error })
  }
}
