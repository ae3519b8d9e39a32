import { open, type FileHandle } from 'node:fs/promises'
import { AppError, systemCode } from '../../../shared/errors.ts'
import type { Range } from '../../../shared/ranges.ts'
import type { ChunkWriter } from '../../ports.ts'
import { telling } from '../files.ts'

/** Pieces are gathered up to this many bytes, so that a chunk costs few system calls. */
const BATCH = 1024 * 1024

/**
 * Writes a range of an existing part. The file is opened without O_CREAT: a late request must not bring a discarded part back.
 * @throws AppError `attempt-superseded` when the part is gone; `store-full` and `store-busy`
 */
export async function openPartWriter(path: string, range: Range): Promise<ChunkWriter> {
  const file = await open(path, 'r+').catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
    throw new AppError('attempt-superseded', 'This attempt was discarded; poll for the next.', {}, { cause: error })
  })
  return {
    async write(pieces) {
      let position = range.start
      for await (const batch of batches(pieces)) {
        await write(file, batch, position)
        for (const piece of batch) position += piece.byteLength
      }
    },
    commit: telling(async () => {
      // Data only: the part got its length, durably, when it was made.
      await file.datasync()
      return ''
    }),
    close: () => file.close(),
  }
}

const write = telling(writeAll)

async function* batches(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    batch.push(piece)
    length += piece.byteLength
    if (length < BATCH) continue
    yield batch
    batch = []
    length = 0
  }
  if (length > 0) yield batch
}

async function writeAll(file: FileHandle, batch: Uint8Array[], position: number): Promise<void> {
  const length = batch.reduce((sum, piece) => sum + piece.byteLength, 0)
  const { bytesWritten } = await file.writev(batch, position)
  if (bytesWritten === length) return
  // A short write is allowed (POSIX write); what is left goes on from there.
  const rest = Buffer.concat(batch).subarray(bytesWritten)
  for (let done = 0; done < rest.byteLength;) {
    done += (await file.write(rest, done, rest.byteLength - done, position + bytesWritten + done)).bytesWritten
  }
}
