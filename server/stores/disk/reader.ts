import type { FileHandle } from 'node:fs/promises'
import type { Range } from '../../../shared/ranges.ts'

const BLOCK = 256 * 1024

/**
 * The bytes of `range`, read as they are taken.
 * @throws Error when the file ends before the range does
 */
export async function* readRange(file: FileHandle, range: Range): AsyncGenerator<Uint8Array> {
  for (let at = range.start; at < range.end;) {
    const block = Buffer.allocUnsafe(Math.min(BLOCK, range.end - at))
    const { bytesRead } = await file.read(block, 0, block.byteLength, at)
    if (bytesRead === 0) throw new Error(`the file ends at ${at}, before ${range.end}`)
    at += bytesRead
    yield block.subarray(0, bytesRead)
  }
}
