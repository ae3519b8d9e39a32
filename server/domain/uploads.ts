import { lengthOf, type Batch } from '../../shared/batches.ts'
import type { ChunkDigest } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import { CHUNKS_PER_PAGE, defaults, type ChunksPage, type Session } from '../../shared/protocol.ts'
import type { ContentRange } from '../../shared/ranges.ts'
import type { Chunk, CommitState, DownloadRecord, JobStore, Part } from '../ports.ts'
import type { Body, Chunks } from './chunks.ts'
import { checkAttempt, checkOpen, checkSession, findClaimed, findForSession, judgeOverlap } from './guards.ts'

export interface ChunkRequest {
  id: string
  session: string
  attempt: number
  range: ContentRange
  digest: ChunkDigest
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
  /**
   * What is durable of the attempt under way, chunk by chunk, from the one that holds the offset `from` on. Disturbs nothing.
   * @throws AppError `download-unknown`, `job-gone`, `attempt-superseded`
   */
  list(part: Part, from: number): Promise<ChunksPage>
}

/** An agent's chunks: in any order, over several connections, again after a lost answer. */
export function createUploads({ jobs, chunks }: { jobs: JobStore; chunks: Chunks }): Uploads {
  /** @returns the download with the chunk counted, or undefined when the chunk was there already */
  const take = async (request: ChunkRequest): Promise<DownloadRecord | undefined> => {
    const { id, session, attempt, range, digest, body, signal } = request
    const part = { id, attempt }
    const { start, end } = range
    const check = (chunk: Chunk, state: CommitState): 'insert' | 'replay' => {
      checkSession(state.session, session)
      if (state.download) {
        checkOpen(state.download)
        checkAttempt(state.download, attempt)
      }
      return judgeOverlap(chunk, state.overlapping)
    }
    const lease = await chunks.hold(part, { start, end }, session, signal)
    try {
      const overlapping = await jobs.overlappingChunks(id, attempt, range)
      const batches = body(lease.signal)
      if (judgeOverlap({ start, end, digest }, overlapping) === 'replay') {
        // What was there may not be durable yet; it is, once it is counted.
        await jobs.addResent(id, await readToEnd(batches))
        return undefined
      }
      return await chunks.store({ part, range: { start, end }, lease, batches, check, announced: digest })
    } finally {
      lease.release()
    }
  }

  return {
    async list({ id, attempt }, from) {
      const download = await findForSession({ jobs }, id, undefined)
      checkOpen(download)
      checkAttempt(download, attempt)
      // One more than is told says whether there is a next page.
      const rows = await jobs.chunksFrom(id, attempt, from, CHUNKS_PER_PAGE + 1)
      const page = rows.slice(0, CHUNKS_PER_PAGE).map(({ start, end, digest }) => ({ start, end, digest }))
      return { attempt, chunks: page, next: rows[CHUNKS_PER_PAGE]?.start ?? null }
    },

    async put(request) {
      const { id, session, attempt, range } = request
      const download = await findClaimed({ jobs }, id, { session, attempt })
      checkRange(range, download.size ?? 0, defaults.chunk)
      try {
        const stored = await take(request)
        if (stored) await chunks.landed(stored, range)
      } catch (error) {
        if (isAppError(error, 'range-conflict')) error.details['received'] = await jobs.received(id, attempt)
        throw error
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

/** Reads a replayed body to its end, so that the connection stays usable. @returns its length in bytes */
async function readToEnd(batches: AsyncIterable<Batch>): Promise<number> {
  let bytes = 0
  for await (const batch of batches) bytes += lengthOf(batch)
  return bytes
}
