import type { FileHandle } from 'node:fs/promises'
import { lengthOf, type Batch } from '../../../shared/batches.ts'
import { AppError, systemCode } from '../../../shared/errors.ts'
import type { Range } from '../../../shared/ranges.ts'
import type { ChunkWriter } from '../../byte-ports.ts'
import { telling } from '../files.ts'
import type { PartFile, PartFiles } from './part-files.ts'

/**
 * Writes a range of an existing part.
 * @throws AppError `attempt-superseded` when the part is gone; `store-full` and `store-busy`
 */
export async function openPartWriter(files: PartFiles, path: string, range: Range): Promise<ChunkWriter> {
  const file = await acquire(files, path)
  let position = range.start
  return {
    write: telling(async (batch) => {
      position += await writeAll(file.handle, batch, position)
    }),
    commit: telling(async () => {
      await file.sync()
      return ''
    }),
    // Where bytes have their places, others take them.
    discard: async () => undefined,
    close: () => file.release(),
  }
}

async function acquire(files: PartFiles, path: string): Promise<PartFile> {
  try {
    return await files.acquire(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
    throw new AppError('attempt-superseded', 'This attempt was discarded; poll for the next.', {}, { cause: error })
  }
}

/** @returns the length of the batch, in bytes */
async function writeAll(handle: FileHandle, batch: Batch, position: number): Promise<number> {
  const length = lengthOf(batch)
  const { bytesWritten } = await handle.writev(batch, position)
  if (bytesWritten === length) return length
  // A short write is allowed (POSIX write); what is left goes on from there.
  const rest = Buffer.concat(batch).subarray(bytesWritten)
  for (let done = 0; done < rest.byteLength;) {
    done += (await handle.write(rest, done, rest.byteLength - done, position + bytesWritten + done)).bytesWritten
  }
  return length
}
