import { lengthOf, type Batch } from '../../shared/batches.ts'
import type { ChunkDigest } from '../../shared/digest.ts'
import { AppError } from '../../shared/errors.ts'
import { CHUNKS_PER_PAGE, defaults, type ChunksPage, type Session } from '../../shared/protocol.ts'
import type { ContentRange, Range } from '../../shared/ranges.ts'
import type { Part } from '../byte-ports.ts'
import type { Chunk, CommitState, DownloadRecord, JobStore } from '../ports.ts'
import type { Body, Chunks } from './chunks.ts'
import { checkUnderWay, findClaimed, findForSession, judgeCommit, judgeOverlap } from './guards.ts'
import type { Land, Landing } from './landing.ts'
import type { Resent } from './resent.ts'

export interface ChunkRequest extends Landing {
  range: ContentRange
  digest: ChunkDigest
  body: Body
  /** Makes the chunk's bytes of an encoded body. */
  decode?: (batches: AsyncIterable<Batch>, signal: AbortSignal) => AsyncIterable<Batch>
}

export interface Uploads {
  /**
   * Takes one chunk; when it returns, the chunk is durable.
   * @returns the download, `completed` or `verifying`, when everything is there and the digest of the whole was given
   * @throws AppError as in the protocol's tables of a chunk and of complete
   */
  put(request: ChunkRequest): Promise<DownloadRecord | undefined>
  /**
   * What is durable of the attempt under way, chunk by chunk, from the one that holds the offset `from` on. Disturbs nothing.
   * @throws AppError `download-unknown`, `job-gone`, `attempt-superseded`
   */
  list(part: Part, from: number): Promise<ChunksPage>
}

export interface UploadsDeps {
  jobs: JobStore
  chunks: Chunks
  land: Land
  resent: Resent
}

/** An agent's chunks: in any order, over several connections, again after a lost answer. */
export function createUploads({ jobs, chunks, land, resent }: UploadsDeps): Uploads {
  /** @returns the download with the chunk counted, or undefined when the chunk was there already */
  const take = async (request: ChunkRequest): Promise<DownloadRecord | undefined> => {
    const { id, session, attempt, range, digest, body, decode, signal } = request
    const part = { id, attempt }
    const { start, end } = range
    const check = (chunk: Chunk, state: CommitState): 'insert' | 'replay' => judgeCommit(chunk, state, request)
    const lease = await chunks.hold(part, { start, end }, session, signal)
    try {
      const overlapping = await jobs.overlappingChunks(id, attempt, range)
      const received = body(lease.signal)
      if (judgeOverlap({ start, end, digest }, overlapping) === 'replay') {
        // What was there may not be durable yet; it is, once it is counted.
        await resent.add(part, { start, end }, await readToEnd(received))
        return undefined
      }
      const batches = decode?.(received, lease.signal) ?? received
      return await chunks.store({ part, range: { start, end }, lease, batches, check, announced: digest })
    } finally {
      lease.release()
    }
  }

  const check = async ({ id, session, attempt, range }: ChunkRequest): Promise<void> => {
    const claimed = await findClaimed({ jobs }, id, { session, attempt })
    if (range.total !== claimed.size) {
      const detail = `Content-Range says a size of ${range.total}; this attempt has ${claimed.size}.`
      throw new AppError('range-invalid', detail, { field: 'Content-Range' })
    }
    checkLength(range, defaults.chunk)
  }

  return {
    async list({ id, attempt }, from) {
      const download = await findForSession({ jobs }, id, undefined)
      checkUnderWay(download, attempt)
      // One more than is told says whether there is a next page.
      const rows = await jobs.chunksFrom(id, attempt, from, CHUNKS_PER_PAGE + 1)
      const page = rows.slice(0, CHUNKS_PER_PAGE).map(({ start, end, digest }) => ({ start, end, digest }))
      return { attempt, chunks: page, next: rows[CHUNKS_PER_PAGE]?.start ?? null }
    },

    put: (request) =>
      land(request, {
        check: () => check(request),
        take: () => take(request),
        repeated: async () => resent.add(request, request.range, await readToEnd(request.body(request.signal))),
      }),
  }
}

/** @throws AppError `too-large` with the limit */
export function checkLength({ start, end }: Range, { max }: Session['chunk']): void {
  if (end - start > max) throw new AppError('too-large', `A chunk has at most ${max} bytes.`, { limit: max })
}

/** Reads a replayed body to its end, so that the connection stays usable. @returns its length in bytes */
async function readToEnd(batches: AsyncIterable<Batch>): Promise<number> {
  let bytes = 0
  for await (const batch of batches) bytes += lengthOf(batch)
  return bytes
}
