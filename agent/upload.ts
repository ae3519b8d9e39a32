import type { Sha256 } from '../shared/digest.ts'
import type { ChunkAlgorithm } from '../shared/protocol.ts'
import { missing, totalLength, type Range } from '../shared/ranges.ts'
import { createCompressor } from './compress.ts'
import { createCrew, type Crew } from './crew.ts'
import { createDeliver, type DeliverDeps } from './deliver.ts'
import { JobFailure, quote } from './failure.ts'
import type { Hasher, Hashers } from './hasher.ts'
import type { Lanes } from './lanes.ts'
import { createLoader, readingBlock, readThrough, type Loaded } from './load.ts'
import type { Source } from './source.ts'
import { createWays, type WaysDeps } from './ways.ts'

export interface Upload {
  /**
   * Sends what the server lacks, hashes the whole, and proves that it was one version.
   * @returns the SHA-256 of the whole
   * @throws JobFailure, JobDropped, the signal's reason; nothing of it runs on afterwards
   */
  sendMissing(received: readonly Range[]): Promise<Sha256>
  /**
   * Sends ranges that the server turned out to lack after all, and proves that the whole still has this SHA-256.
   * Throws as `sendMissing` does.
   */
  send(ranges: readonly Range[], whole: Sha256): Promise<void>
}

export interface UploadDeps extends Omit<DeliverDeps, 'load' | 'send'>, Omit<WaysDeps, 'compressor' | 'now'> {
  source: Source
  lanes: Lanes
  hashers: Hashers
  algorithm: ChunkAlgorithm
  /** Whether the server decodes. */
  compress: boolean
  /** Chunks of this job in flight at once, at most. */
  parallel: number
  /** Hash the source a second time at the end in any case: its times cannot be trusted to tell of every change. */
  reread: boolean
  signal: AbortSignal
}

interface Whole {
  hasher: Hasher
  /** The digest of the whole, once every byte was read, and it is proven that they are of one version. */
  announce(): Promise<Sha256>
}

/** The bytes of one attempt, from the source to the server. */
export function createUpload(deps: UploadDeps): Upload {
  const { source, hashers, limits, flow, target, parallel, reread, signal } = deps
  const load = createLoader(deps)
  const compressor = deps.compress ? createCompressor({ rate: flow.rate, now: () => performance.now() }) : undefined
  const deliver = createDeliver({ ...deps, load, send: createWays({ ...deps, compressor }) })

  const withCrew = async <T>(work: (crew: Crew) => Promise<T>): Promise<T> => {
    const crew = createCrew({ limit: parallel, signal })
    try {
      const result = await work(crew)
      await crew.finish()
      return result
    } finally {
      await crew.disband()
    }
  }

  /** Sends ranges in order, chunk by chunk. @param whole is fed with their bytes, and asked before the last is sent */
  const sendAll = async (ranges: readonly Range[], crew: Crew, whole?: Whole): Promise<void> => {
    let remaining = totalLength(ranges)
    for (const { start, end } of ranges) {
      // Piece by piece, for what the line carries and what is allowed change on the way.
      for (let at = start; at < end;) {
        await crew.room()
        const length = Math.min(flow.nextLength(remaining), limits.most(target.chunk))
        const range = { start: at, end: Math.min(end, at + length) }
        const loaded = await load(range, crew.signal, { also: whole?.hasher })
        remaining -= range.end - range.start
        const announced = remaining === 0 ? await announce(whole, loaded) : undefined
        crew.start(() => deliver(range, crew.signal, { loaded, whole: announced }))
        at = range.end
      }
    }
  }

  /** What is loaded waits for the digest of the whole, and is not sent if there is none. */
  const announce = async (whole: Whole | undefined, { lane }: Loaded): Promise<Sha256 | undefined> => {
    try {
      return await whole?.announce()
    } catch (error) {
      lane.release()
      throw error
    }
  }

  const withHasher = async <T>(work: (hasher: Hasher) => Promise<T>): Promise<T> => {
    const hasher = hashers.open()
    try {
      return await work(hasher)
    } finally {
      hasher.close()
    }
  }

  /** Reads the whole for its digest alone. */
  const digestOfWhole = (stop: AbortSignal): Promise<Sha256> =>
    withHasher(async (hasher) => {
      const range = { start: 0, end: target.size }
      await readThrough({ source, range, block: readingBlock(), signal: stop }, hasher.update)
      return hasher.digest()
    })

  /** A version that overlooks times or growth proves nothing of a file that was touched; only its bytes do. */
  const confirm = async (whole: Sha256, stop: AbortSignal): Promise<void> => {
    const again = reread || (await source.touched())
    if (again && (await digestOfWhole(stop)) !== whole) {
      throw new JobFailure(
        'changed',
        `${quote(target.path)} changed while it was being sent. Ask again when nothing writes to it.`,
      )
    }
    await source.check(target.size)
  }

  /** One pass over the file: what is read to be sent is hashed as well. */
  const sendWhole = (): Promise<Sha256> =>
    withHasher((hasher) =>
      withCrew(async (crew) => {
        let whole: Promise<Sha256> | undefined
        const prove = async (): Promise<Sha256> => {
          const digest = await hasher.digest()
          await confirm(digest, crew.signal)
          return digest
        }
        const proven = (): Promise<Sha256> => (whole ??= prove())
        await sendAll([{ start: 0, end: target.size }], crew, { hasher, announce: proven })
        return proven()
      }),
    )

  /** Hashes the whole while what is missing is sent already. */
  const sendRest = (open: readonly Range[]): Promise<Sha256> =>
    withCrew(async (crew) => {
      const hashing = digestOfWhole(crew.signal)
      crew.start(async () => void (await hashing))
      await sendAll(open, crew)
      return hashing
    })

  return {
    async sendMissing(received) {
      if (received.length === 0) return sendWhole()
      const whole = await sendRest(missing(received, target.size))
      await confirm(whole, signal)
      return whole
    },

    async send(ranges, whole) {
      await withCrew((crew) => sendAll(ranges, crew))
      await confirm(whole, signal)
    },
  }
}
