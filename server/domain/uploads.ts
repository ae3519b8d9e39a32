import { sha256 as newSha256, type Sha256 } from '../../shared/digest.ts'
import { AppError, isAppError, messageOf } from '../../shared/errors.ts'
import { defaults, type Session } from '../../shared/protocol.ts'
import type { ContentRange, Range } from '../../shared/ranges.ts'
import type { ByteStore, Chunk, ChunkWriter, JobStore, Observer, Part, WakeBus } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import { checkAttempt, checkOpen, checkSession, findClaimed, judgeOverlap } from './guards.ts'
import type { Lease, Reservations } from './reservations.ts'
import { bytesTopic, downloadTopic } from './topics.ts'
import type { Verifier } from './verifier.ts'

/** The body of a request, which ends or throws as soon as `signal` aborts. */
export type Body = (signal: AbortSignal) => AsyncIterable<Uint8Array>

export interface ChunkRequest {
  id: string
  session: string
  attempt: number
  range: ContentRange
  digest: Sha256
  body: Body
  /** Aborts when the connection has gone. */
  signal: AbortSignal
}

export interface Uploads {
  /**
   * Takes one chunk; when it returns, the chunk is durable.
   * @throws AppError as in the protocol's table
   */
  put(request: ChunkRequest): Promise<void>
  /** Writes the whole range of a part, without a digest announced, and returns the digest. */
  writeWhole(part: Part, size: number, body: Body, signal: AbortSignal): Promise<Sha256>
}

export interface UploadsDeps {
  jobs: JobStore
  bytes: ByteStore
  wakes: WakeBus
  reservations: Reservations
  attempts: Attempts
  verifier: Verifier
  observer: Observer
}

/** Chunks, from the request's body to a durable row. */
export function createUploads(deps: UploadsDeps): Uploads {
  const { jobs, bytes, wakes, reservations, attempts, verifier, observer } = deps

  /** All writes returned → a sync that starts after them → the row. */
  const store = async (
    part: Part,
    range: Range,
    lease: Lease,
    body: Body,
    check: (chunk: Chunk) => Parameters<JobStore['insertChunk']>[3],
    announced?: Sha256,
  ): Promise<Sha256> => {
    const counter = { bytes: 0 }
    const hash = newSha256()
    let inserted = false
    const writer = await open(part, range)
    try {
      await writer.write(measured(body(lease.signal), range, lease, counter, (piece) => hash.update(piece)))
      if (counter.bytes < range.end - range.start)
        throw new AppError('range-invalid', 'The body is shorter than its Content-Range.')
      const digest = hash.digest('hex')
      if (announced !== undefined && digest !== announced) {
        throw new AppError(
          'digest-mismatch',
          'The body does not have the announced Content-Digest; it was damaged on the way. Send it again.',
        )
      }
      const chunk = { start: range.start, end: range.end, digest, tag: await commit(writer, part) }
      inserted = (await jobs.insertChunk(part.id, part.attempt, chunk, check(chunk))) === 'insert'
      return digest
    } finally {
      await writer.close()
      if (!inserted && counter.bytes > 0) await jobs.addResent(part.id, counter.bytes)
    }
  }

  const open = async (part: Part, range: Range): Promise<ChunkWriter> => {
    try {
      return await bytes.openWriter(part, range)
    } catch (error) {
      // A part that is gone while its row stands would fail for ever.
      if (isAppError(error, 'attempt-superseded'))
        await attempts.abandon(part, 'io-error', 'The store lost the part of this attempt.')
      throw error
    }
  }

  /** After a failed sync the kernel may have dropped the pages: nothing of this attempt is believed any more. */
  const commit = async (writer: ChunkWriter, part: Part): Promise<string> => {
    try {
      return await writer.commit()
    } catch (error) {
      await attempts.abandon(part, 'io-error', `The store could not sync: ${messageOf(error)}`)
      throw new AppError(
        'attempt-superseded',
        'The store could not sync its bytes; poll for the next attempt.',
        {},
        { cause: error },
      )
    }
  }

  /** Aborts the lease as soon as the download is no longer this attempt's. */
  const watch = (part: Part, lease: Lease): (() => void) => {
    const recheck = async (): Promise<void> => {
      const download = await jobs.findDownload(part.id)
      if (!download) return
      try {
        checkOpen(download)
        checkAttempt(download, part.attempt)
      } catch (error) {
        if (isAppError(error)) lease.abort(error)
      }
    }
    return wakes.subscribe(downloadTopic(part.id), () => {
      // The check at the commit decides; this only ends the body sooner.
      recheck().catch(() => undefined)
    })
  }

  const landed = async (part: Part): Promise<void> => {
    wakes.wake([bytesTopic(part.id)])
    await verifier.follow(part)
    const download = await jobs.findDownload(part.id)
    if (download?.status === 'transferring') observer.progress(download)
  }

  return {
    async put({ id, session, attempt, range, digest, body, signal }) {
      const download = await findClaimed({ jobs }, id, { session, attempt })
      checkRange(range, download.size ?? 0, defaults.chunk)
      const part = { id, attempt }
      const lease = await reservations.acquire(part, range, session, signal)
      const unwatch = watch(part, lease)
      try {
        const overlapping = await jobs.overlappingChunks(id, attempt, range)
        if (judgeOverlap({ ...range, digest }, overlapping) === 'replay')
          return await discard(body(lease.signal), (n) => jobs.addResent(id, n))
        await store(
          part,
          range,
          lease,
          body,
          (chunk) => (state) => {
            checkSession(state.session, session)
            if (state.download) {
              checkOpen(state.download)
              checkAttempt(state.download, attempt)
            }
            return judgeOverlap(chunk, state.overlapping)
          },
          digest,
        )
      } catch (error) {
        if (isAppError(error, 'range-conflict')) error.details['received'] = await jobs.received(id, attempt)
        throw error
      } finally {
        unwatch()
        lease.release()
      }
      await landed(part)
    },

    async writeWhole(part, size, body, signal) {
      const range = { start: 0, end: size }
      const lease = await reservations.acquire(part, range, '', signal)
      const unwatch = watch(part, lease)
      try {
        return await store(part, range, lease, body, (chunk) => (state) => {
          if (state.download) checkAttempt(state.download, part.attempt)
          return judgeOverlap(chunk, state.overlapping)
        })
      } finally {
        unwatch()
        lease.release()
        await landed(part)
      }
    },
  }
}

/** @throws AppError `range-invalid`, or `too-large` with the limit */
function checkRange(range: ContentRange, size: number, limits: Session['chunk']): void {
  if (range.total !== size) {
    throw new AppError('range-invalid', `Content-Range says a size of ${range.total}; this attempt has ${size}.`, {
      field: 'Content-Range',
    })
  }
  if (range.end - range.start > limits.max) {
    throw new AppError('too-large', `A chunk has at most ${limits.max} bytes.`, { limit: limits.max })
  }
}

/** Counts the pieces, stops when the lease is aborted, and lets nothing past the range. */
async function* measured(
  body: AsyncIterable<Uint8Array>,
  range: Range,
  lease: Lease,
  counter: { bytes: number },
  see: (piece: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    if (lease.signal.aborted) throw lease.signal.reason
    counter.bytes += piece.byteLength
    if (counter.bytes > range.end - range.start)
      throw new AppError('range-invalid', 'The body is longer than its Content-Range.')
    lease.moved()
    see(piece)
    yield piece
  }
}

/** Reads a replayed body to its end, so that the connection stays usable. */
async function discard(body: AsyncIterable<Uint8Array>, count: (bytes: number) => Promise<void>): Promise<void> {
  let bytes = 0
  for await (const piece of body) bytes += piece.byteLength
  await count(bytes)
}
