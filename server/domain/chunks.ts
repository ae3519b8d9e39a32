import { lengthOf, type Batch } from '../../shared/batches.ts'
import { algorithmOf, runningDigest, type ChunkDigest } from '../../shared/digest.ts'
import { AppError, isAppError, messageOf } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, ChunkWriter, Part } from '../byte-ports.ts'
import type { Chunk, CommitState, DownloadRecord, JobStore, Observer, WakeBus } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import { checkUnderWay } from './guards.ts'
import type { Later } from './later.ts'
import { partKey } from './part-key.ts'
import type { Presence } from './presence.ts'
import type { Lease, Reservations } from './reservations.ts'
import type { Resent } from './resent.ts'
import { bytesTopic, downloadTopic } from './topics.ts'
import type { Verifier } from './verifier.ts'

/** The body of a request in batches (an empty one says that something moved), which ends or throws as soon as `signal` aborts. */
export type Body = (signal: AbortSignal) => AsyncIterable<Batch>

export interface ChunkToStore {
  part: Part
  range: Range
  lease: Lease
  batches: AsyncIterable<Batch>
  /** Sees the rows under lock, in the transaction that inserts the chunk's. */
  check: (chunk: Chunk, state: CommitState) => 'insert' | 'replay'
  /** The digest that the pieces must have. */
  announced?: ChunkDigest
}

export interface ChunkToAdd {
  part: Part
  chunk: Chunk
  /** Sees the rows under lock, in the transaction that inserts the chunk's. */
  check: ChunkToStore['check']
  /** Removes the bytes, which certainly have no row, and never get one. */
  discard: () => Promise<void>
}

export interface Chunks {
  /** The right to write a range, which aborts as soon as the download is no longer this attempt's. */
  hold(part: Part, range: Range, session: string, signal: AbortSignal): Promise<Lease>
  /**
   * All writes returned → a sync that starts after them → the row. When it returns, the chunk is durable.
   * @returns the download with the chunk counted, or undefined when the chunk was there already
   * @throws AppError `digest-mismatch`, `range-invalid`, `attempt-superseded`, `store-full`, and what `check` throws
   */
  store(chunk: ChunkToStore): Promise<DownloadRecord | undefined>
  /**
   * The row of a chunk whose bytes are durable already.
   * @returns the download with the chunk counted, or undefined when the chunk was there already
   * @throws AppError what `check` throws
   */
  add(chunk: ChunkToAdd): Promise<DownloadRecord | undefined>
  /** Tells whoever follows the download that a range of it is durable; never throws, for the chunk is. */
  landed(download: DownloadRecord, range: Range): Promise<void>
}

export interface ChunksDeps {
  jobs: JobStore
  bytes: ByteStore
  wakes: WakeBus
  reservations: Reservations
  resent: Resent
  attempts: Attempts
  verifier: Verifier
  presence: Presence
  observer: Observer
  later: Later
  report: (error: unknown, what: string, id: string) => void
}

/** Chunks, from the pieces of a body to a durable row. */
export function createChunks(deps: ChunksDeps): Chunks {
  const { jobs, bytes, wakes, reservations, attempts, verifier, presence, observer, later, resent, report } = deps

  const recheck = async (part: Part, lease: Lease): Promise<void> => {
    const download = await jobs.findDownload(part.id)
    if (!download) return
    try {
      checkUnderWay(download, part.attempt)
    } catch (error) {
      if (isAppError(error)) lease.abort(error)
    }
  }

  const open = async (part: Part, range: Range): Promise<ChunkWriter> => {
    try {
      return await bytes.openWriter(part, range)
    } catch (error) {
      // A part that is gone while its row stands would fail for ever.
      if (isAppError(error, 'attempt-superseded')) {
        await attempts.abandon(part, 'io-error', 'The store lost the part of this attempt.')
      }
      throw error
    }
  }

  /** After a failed sync the kernel may have dropped the pages: nothing of this attempt is believed any more. */
  const commit = async (writer: ChunkWriter, part: Part): Promise<string> => {
    try {
      return await writer.commit()
    } catch (error) {
      if (bytes.failedCommitLoses === 'chunk') throw error
      const reason = isAppError(error, 'store-full') ? 'store-full' : 'io-error'
      await later.insist(partKey(part), () =>
        attempts.abandon(part, reason, `The store could not sync: ${messageOf(error)}`),
      )
      const detail = 'The store could not sync its bytes; poll for the next attempt.'
      throw new AppError('attempt-superseded', detail, {}, { cause: error })
    }
  }

  /** What certainly has no row is of no use to anybody; should it stay, it goes with its part. */
  const tidy = (discard: () => Promise<void>, id: string): Promise<void> =>
    discard().catch((error: unknown) => report(error, 'a chunk that nobody needs cannot be removed yet', id))

  const insert = async ({ part, chunk, check, discard }: ChunkToAdd): Promise<DownloadRecord | undefined> => {
    let isRefused = false
    try {
      const stored = await jobs.insertChunk(part.id, part.attempt, chunk, (state) => {
        isRefused = true
        const verdict = check(chunk, state)
        isRefused = false
        return verdict
      })
      if (!stored) await tidy(discard, part.id)
      return stored
    } catch (error) {
      // Of any other failure nobody knows whether there is a row.
      if (isRefused) await tidy(discard, part.id)
      throw error
    }
  }

  /** A figure is not worth an error. */
  const inVain = async (part: Part, { start, end }: Range, length: number): Promise<void> => {
    try {
      await resent.add(part, { start, end: Math.min(start + length, end) }, length)
    } catch (error) {
      report(error, 'bytes sent in vain are not counted', part.id)
    }
  }

  const tell = async (download: DownloadRecord, range: Range): Promise<void> => {
    wakes.wake([bytesTopic(download.id)])
    presence.contact(download.clientId)
    observer.progress(download, range.end - range.start)
    await verifier.follow(download, range)
  }

  return {
    async hold(part, range, session, signal) {
      const lease = await reservations.acquire(part, range, session, signal)
      const unsubscribe = wakes.subscribe(downloadTopic(part.id), () => {
        // The check at the commit decides; this only ends the body sooner.
        recheck(part, lease).catch(() => undefined)
      })
      return {
        ...lease,
        release() {
          unsubscribe()
          lease.release()
        },
      }
    },

    async store({ part, range, lease, batches, check, announced }) {
      // An attempt that is to be given up, and could not be so far, takes nothing more.
      await later.settle(partKey(part))
      const seen = { bytes: 0, hash: runningDigest(announced === undefined ? 'crc32' : algorithmOf(announced)) }
      let stored: DownloadRecord | undefined
      const writer = await open(part, range)
      try {
        for await (const batch of batches) {
          if (lease.signal.aborted) throw lease.signal.reason
          lease.moved(lengthOf(batch))
          if (batch.length === 0) continue
          seen.bytes += lengthOf(batch)
          if (seen.bytes > range.end - range.start)
            throw new AppError('range-invalid', 'The body is longer than its Content-Range.')
          for (const piece of batch) seen.hash.update(piece)
          await writer.write(batch)
        }
        const digest = seen.hash.hex()
        checkBody(seen.bytes, range, digest, announced)
        const chunk = { ...range, digest, tag: await commit(writer, part) }
        stored = await insert({ part, chunk, check, discard: writer.discard })
        return stored
      } finally {
        await writer.close()
        if (!stored && seen.bytes > 0) await inVain(part, range, seen.bytes)
      }
    },

    add: insert,

    async landed(download, range) {
      try {
        await tell(download, range)
      } catch (error) {
        report(error, 'a chunk is durable, and those who wait for it hear of it with the next', download.id)
      }
    },
  }
}

function checkBody(length: number, range: Range, digest: ChunkDigest, announced: ChunkDigest | undefined): void {
  if (length < range.end - range.start)
    throw new AppError('range-invalid', 'The body is shorter than its Content-Range.')
  if (announced === undefined || digest === announced) return
  throw new AppError(
    'digest-mismatch',
    'The body does not have the announced digest; it was damaged on the way. Send it again.',
  )
}
