import { sha256, type Sha256 } from '../shared/digest.ts'
import { missing, pieces, union, type Range } from '../shared/ranges.ts'
import { createCrew, type Crew } from './crew.ts'
import { createDeliver, type DeliverDeps } from './deliver.ts'
import { JobFailure, quote } from './failure.ts'
import type { Lanes } from './lanes.ts'
import { createLoader, digestOf } from './load.ts'
import type { Source } from './source.ts'

export interface Upload {
  /**
   * Reads the whole file once in order, sends what the server lacks, and proves that it was one version.
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

export interface UploadDeps extends Omit<DeliverDeps, 'load'> {
  source: Source
  lanes: Lanes
  /** Chunks of this job in flight at once. */
  parallel: number
  /** Hash the source a second time at the end in any case: its times cannot be trusted to tell of every change. */
  reread: boolean
  signal: AbortSignal
}

interface Step extends Range {
  send: boolean
}

/** The bytes of one attempt, from the source to the server. */
export function createUpload(deps: UploadDeps): Upload {
  const { source, lanes, limits, target, parallel, reread, signal } = deps
  const load = createLoader({ source, lanes })
  const deliver = createDeliver({ ...deps, load })

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

  const pass = (received: readonly Range[]): Promise<Sha256> =>
    withCrew(async (crew) => {
      const whole = sha256()
      for (const span of planSpans(received, target.size)) {
        // Piece by piece, for the allowed length can shrink on the way.
        for (let at = span.start; at < span.end;) {
          const range = { start: at, end: Math.min(span.end, at + limits.length(target.chunk)) }
          await crew.room()
          const loaded = await load(range, crew.signal, { also: whole })
          if (span.send) crew.start(() => deliver(range, crew.signal, loaded))
          else loaded.lane.release()
          at = range.end
        }
      }
      return whole.digest('hex')
    })

  /** A version that overlooks times or growth proves nothing of a file that was touched; only its bytes do. */
  const confirm = async (whole: Sha256): Promise<void> => {
    const again = reread || (await source.touched())
    if (again && (await digestOf({ source, range: { start: 0, end: target.size }, lanes, signal })) !== whole) {
      throw new JobFailure(
        'changed',
        `${quote(target.path)} changed while it was being sent. Ask again when nothing writes to it.`,
      )
    }
    await source.check(target.size)
  }

  return {
    async sendMissing(received) {
      const whole = await pass(received)
      await confirm(whole)
      return whole
    },

    async send(ranges, whole) {
      await withCrew(async (crew) => {
        for (const range of ranges.flatMap((wanted) => [...pieces(wanted, limits.length(target.chunk))])) {
          await crew.room()
          crew.start(() => deliver(range, crew.signal))
        }
      })
      await confirm(whole)
    },
  }
}

/** The whole file from its start to its end, in spans that are to be sent or only to be hashed. @param size bytes */
export function planSpans(received: readonly Range[], size: number): Step[] {
  const there = union(received).map((range): Step => ({ ...range, end: Math.min(range.end, size), send: false }))
  const open = missing(received, size).map((range): Step => ({ ...range, send: true }))
  return [...there, ...open].filter(({ start, end }) => start < end).toSorted((a, b) => a.start - b.start)
}
