import type { Hash } from 'node:crypto'
import { sha256, type Sha256 } from '../shared/digest.ts'
import { pieces, type Range } from '../shared/ranges.ts'
import { JobFailure, quote } from './failure.ts'
import type { Lane, Lanes } from './lanes.ts'
import type { Source } from './source.ts'

/** A range of the source in a buffer, which whoever holds it must release. */
export interface Loaded {
  lane: Lane
  digest: Sha256
}

export interface Loader {
  /**
   * Reads a range, which must fit into a lane.
   * @param options `also`: a running hash to feed; `expect`: the digest that the range had before
   * @throws JobFailure `changed`, `io-error`; the signal's reason
   */
  (range: Range, signal: AbortSignal, options?: { also?: Hash; expect?: Sha256 | undefined }): Promise<Loaded>
}

/** Small enough that hashing one never holds up the other connections for long. */
const SLICE = 1024 * 1024

export function createLoader({ source, lanes }: { source: Source; lanes: Lanes }): Loader {
  return async (range, signal, { also, expect } = {}) => {
    const lane = await lanes.acquire(signal)
    try {
      const digest = sha256()
      const bytes = lane.bytes(range.end - range.start)
      for (let at = 0; at < bytes.length; at += SLICE) {
        signal.throwIfAborted()
        const slice = bytes.subarray(at, at + SLICE)
        await source.read(slice, range.start + at)
        digest.update(slice)
        also?.update(slice)
      }
      const hex = digest.digest('hex')
      if (expect !== undefined && hex !== expect) {
        throw new JobFailure(
          'changed',
          `${quote(source.path)} holds other bytes than when they were read first. Ask again.`,
        )
      }
      return { lane, digest: hex }
    } catch (error) {
      lane.release()
      throw error
    }
  }
}

/** The SHA-256 of a range of any length, read in slices through one lane. Throws as a Loader does. */
export async function digestOf({
  source,
  range,
  lanes,
  signal,
}: {
  source: Source
  range: Range
  lanes: Lanes
  signal: AbortSignal
}): Promise<Sha256> {
  const digest = sha256()
  const lane = await lanes.acquire(signal)
  try {
    for (const { start, end } of pieces(range, SLICE)) {
      signal.throwIfAborted()
      const slice = lane.bytes(end - start)
      await source.read(slice, start)
      digest.update(slice)
    }
    return digest.digest('hex')
  } finally {
    lane.release()
  }
}
