import { runningDigest, type ChunkDigest } from '../shared/digest.ts'
import type { ChunkAlgorithm } from '../shared/protocol.ts'
import { pieces, type Range } from '../shared/ranges.ts'
import { JobFailure, quote } from './failure.ts'
import type { Hasher } from './hasher.ts'
import type { Lane, Lanes } from './lanes.ts'
import type { Source } from './source.ts'

/** A range of the source in a buffer, which whoever holds it must release. */
export interface Loaded {
  lane: Lane
  digest: ChunkDigest
}

export interface Loader {
  /**
   * Reads a range into a lane.
   * @param options `also`: the hash of the whole, to be fed; `expect`: the digest that the range had before
   * @throws JobFailure `changed`, `io-error`; the signal's reason
   */
  (
    range: Range,
    signal: AbortSignal,
    options?: { also?: Hasher | undefined; expect?: ChunkDigest | undefined },
  ): Promise<Loaded>
}

/** Small enough that digesting one never holds up the connections for long. */
const SLICE = 2 * 1024 * 1024

export function createLoader({
  source,
  lanes,
  algorithm,
}: {
  source: Source
  lanes: Lanes
  algorithm: ChunkAlgorithm
}): Loader {
  return async (range, signal, { also, expect } = {}) => {
    const lane = await lanes.acquire(range.end - range.start, signal)
    try {
      const { bytes } = lane
      const running = runningDigest(algorithm)
      for (let at = 0; at < bytes.length; at += SLICE) {
        signal.throwIfAborted()
        const slice = bytes.subarray(at, at + SLICE)
        await source.read(slice, range.start + at)
        running.update(slice)
      }
      const digest = running.hex()
      if (expect !== undefined && digest !== expect) {
        throw new JobFailure(
          'changed',
          `${quote(source.path)} holds other bytes than when they were read first. Ask again.`,
        )
      }
      if (also) lane.keepUntil(also.update(bytes))
      return { lane, digest }
    } catch (error) {
      lane.release()
      throw error
    }
  }
}

/** A buffer for readThrough, in shared memory. */
export function readingBlock(): Buffer {
  return Buffer.from(new SharedArrayBuffer(SLICE))
}

/**
 * Reads a range of any length in order, block by block.
 * @param take is given each block, which holds other bytes as soon as its promise has resolved
 * @throws JobFailure `changed`, `io-error`; the signal's reason; whatever `take` throws
 */
export async function readThrough(
  { source, range, block, signal }: { source: Source; range: Range; block: Buffer; signal: AbortSignal },
  take: (bytes: Buffer) => unknown,
): Promise<void> {
  for (const { start, end } of pieces(range, block.length)) {
    signal.throwIfAborted()
    const slice = block.subarray(0, end - start)
    await source.read(slice, start)
    await take(slice)
  }
}
