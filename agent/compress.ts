import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import { systemCode } from '../shared/errors.ts'

/** Makes chunks smaller where that brings them to the server sooner. */
export interface Compressor {
  /**
   * @returns the bytes as a Zstandard frame (RFC 8878), or undefined where that is not worth it
   */
  compress(bytes: Buffer): Promise<Buffer | undefined>
}

export interface CompressorDeps {
  /** What the line carries, in bytes per ms; 0 when it is not known yet. */
  rate: () => number
  /** Monotonic ms. */
  now: () => number
}

const KiB = 1024
/** Of less, the headers of the request are the greater part. */
const SMALLEST = 2 * KiB
const SAMPLE = 16 * KiB
/** At least so much must be saved to be worth the work at both ends. */
const WORTH = 0.9
/** A file that did not compress is asked again at every so manyth chunk, at most: its kind can change on the way. */
const MOST_PASSED_OVER = 15
/** A core that compresses no faster than this many times the line gives only slows it down. */
const FASTER = 2
const LEVEL = 3
/** Each takes a window of memory, and a thread. */
const AT_ONCE = 2

const compressAll = promisify(zstdCompress)

/** The compressor of one file. */
export function createCompressor({ rate, now }: CompressorDeps): Compressor {
  let misses = 0
  let passOver = 0
  /** Bytes per ms of one core, in the last chunk. */
  let speed = Number.POSITIVE_INFINITY
  let running = 0
  const queue: (() => void)[] = []

  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= AT_ONCE) await new Promise<void>((resolve) => queue.push(resolve))
    else running += 1
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else running -= 1
    }
  }

  const missed = (): undefined => {
    misses += 1
    passOver = Math.min(misses, MOST_PASSED_OVER)
  }

  const whole = async (bytes: Buffer): Promise<Buffer | undefined> => {
    const at = now()
    const smaller = await deflate(bytes)
    speed = bytes.length / Math.max(now() - at, 0.01)
    if (!smaller) return missed()
    misses = 0
    return smaller
  }

  return {
    async compress(bytes) {
      if (bytes.length < SMALLEST) return undefined
      if (passOver > 0) {
        passOver -= 1
        return undefined
      }
      if (FASTER * rate() > speed) {
        // The line can become slower, or the machine less busy.
        speed = Number.POSITIVE_INFINITY
        return missed()
      }
      return inTurn(async () => ((await deflate(sampleOf(bytes))) ? whole(bytes) : missed()))
    },
  }
}

/** From the beginning, the middle and the end. */
function sampleOf(bytes: Buffer): Buffer {
  if (bytes.length <= 3 * SAMPLE) return bytes
  const middle = Math.floor((bytes.length - SAMPLE) / 2)
  return Buffer.concat([
    bytes.subarray(0, SAMPLE),
    bytes.subarray(middle, middle + SAMPLE),
    bytes.subarray(bytes.length - SAMPLE),
  ])
}

/** @returns undefined when it does not become smaller by enough */
async function deflate(bytes: Buffer): Promise<Buffer | undefined> {
  try {
    return await compressAll(bytes, {
      params: { [constants.ZSTD_c_compressionLevel]: LEVEL },
      pledgedSrcSize: bytes.length,
      maxOutputLength: Math.floor(bytes.length * WORTH),
    })
  } catch (error) {
    if (systemCode(error) === 'ERR_BUFFER_TOO_LARGE') return undefined
    throw error
  }
}
