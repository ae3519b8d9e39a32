import { constants, createZstdDecompress } from 'node:zlib'
import { giveBack, lengthOf, type Batch } from '../../shared/batches.ts'
import { AppError } from '../../shared/errors.ts'
import { createBudget } from '../../shared/budget.ts'

const MiB = 1024 * 1024

/** What is decoded to more than this, in bytes, is refused. */
export const MAX_DECODED = 16 * MiB
/** Encoded bodies that are being received, together; others wait unread. */
const ENCODED = 48 * MiB
/** Decoded ones on their way to the disk, together. */
const DECODED = 16 * MiB
/** A frame that asks for a larger window than 2^23 bytes is refused. */
const WINDOW_LOG = 23

export interface Encoded {
  /** Bytes of the encoded body, where that was announced. */
  encodedLength: number | undefined
  /** Bytes that it must decode to. */
  length: number
}

export interface Zstd {
  /**
   * A body that is one Zstandard frame (RFC 8878), decoded: received as a whole, then decoded at once in the thread pool,
   * and never to more than it should. Empty batches tell that bytes have come meanwhile.
   * @throws AppError `digest-mismatch` when it decodes to anything else, `range-invalid` when it is longer than its bytes
   * would be as they are
   */
  decode(batches: AsyncIterable<Batch>, encoded: Encoded, signal: AbortSignal): AsyncGenerator<Batch>
}

/** Decodes bodies, all of them within a budget: what waits on a slow line is encoded, and small. */
export function createZstd(): Zstd {
  const encodedBudget = createBudget(ENCODED)
  const decodedBudget = createBudget(DECODED)

  return {
    async *decode(batches, { encodedLength, length }, signal) {
      const longest = boundOf(length)
      if (encodedLength !== undefined && encodedLength > longest) throw tooLong(length)
      const room = encodedLength ?? longest
      const received = await encodedBudget.reserve(room, signal)
      try {
        const body = Buffer.allocUnsafeSlow(room)
        let at = 0
        for await (const batch of batches) {
          if (at + lengthOf(batch) > room) throw tooLong(length)
          // Copied: a batch is gone when the next one is asked for.
          for (const piece of batch) {
            body.set(piece, at)
            at += piece.byteLength
          }
          yield []
        }
        const written = await decodedBudget.reserve(length, signal)
        try {
          const decoded = await decodeFrame(body.subarray(0, at), length)
          giveBack([body])
          yield decoded
          giveBack(decoded)
        } finally {
          written()
        }
      } finally {
        received()
      }
    },
  }
}

/** Bytes that a frame of incompressible content has at most. */
function boundOf(length: number): number {
  return length + Math.ceil(length / 256) + 1024
}

async function decodeFrame(frame: Uint8Array, length: number): Promise<Batch> {
  const decoder = createZstdDecompress({
    // Room for all of it, and for one byte too many.
    chunkSize: Math.max(64, length + 1),
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
  })
  decoder.end(frame)
  const pieces: Buffer[] = []
  try {
    for await (const piece of decoder) {
      pieces.push(piece)
      if (lengthOf(pieces) > length) break
    }
  } catch (error) {
    throw damaged(error)
  }
  // The decoder stops at the end of the first frame.
  if (lengthOf(pieces) !== length || decoder.bytesWritten !== frame.byteLength) throw damaged()
  return pieces
}

function damaged(cause?: unknown): AppError {
  const detail = 'The body is no Zstandard frame of the bytes of its range; it was damaged on the way. Send it again.'
  return new AppError('digest-mismatch', detail, {}, { cause })
}

function tooLong(length: number): AppError {
  return new AppError('range-invalid', `The encoded body is longer than its ${length} bytes; send them as they are.`)
}
