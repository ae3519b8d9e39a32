import { lengthOf, type Batch } from '../../shared/batches.ts'
import type { ChunkDigest, Sha256 } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import { CHUNKS_PER_PAGE, defaults, type ChunksPage, type Session } from '../../shared/protocol.ts'
import type { ContentRange } from '../../shared/ranges.ts'
import type { Part } from '../byte-ports.ts'
import type { Chunk, CommitState, DownloadRecord, JobStore } from '../ports.ts'
import type { Announced } from './announced.ts'
import type { Body, Chunks } from './chunks.ts'
import { wasAsked, type Completion } from './completion.ts'
import { checkSession, checkUnderWay, findClaimed, findForSession, judgeOverlap } from './guards.ts'

export interface ChunkRequest {
  id: string
  session: string
  attempt: number
  range: ContentRange
  digest: ChunkDigest
  /** Of the whole file, where the agent knows it by now: with it, the chunk that fills the last hole also completes. */
  sha256?: Sha256 | undefined
  body: Body
  /** Makes the chunk's bytes of an encoded body. */
  decode?: (batches: AsyncIterable<Batch>, signal: AbortSignal) => AsyncIterable<Batch>
  /** Aborts when the connection has gone. */
  signal: AbortSignal
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
  completion: Completion
  announced: Announced
  report: (error: unknown, what: string, id: string) => void
}

/** An agent's chunks: in any order, over several connections, again after a lost answer. */
export function createUploads({ jobs, chunks, completion, announced, report }: UploadsDeps): Uploads {
  /** @returns the download with the chunk counted, or undefined when the chunk was there already */
  const take = async (request: ChunkRequest): Promise<DownloadRecord | undefined> => {
    const { id, session, attempt, range, digest, body, decode, signal } = request
    const part = { id, attempt }
    const { start, end } = range
    const check = (chunk: Chunk, state: CommitState): 'insert' | 'replay' => {
      checkSession(state.session, session)
      if (state.download) checkUnderWay(state.download, attempt)
      return judgeOverlap(chunk, state.overlapping)
    }
    const lease = await chunks.hold(part, { start, end }, session, signal)
    try {
      const overlapping = await jobs.overlappingChunks(id, attempt, range)
      const received = body(lease.signal)
      if (judgeOverlap({ start, end, digest }, overlapping) === 'replay') {
        // What was there may not be durable yet; it is, once it is counted.
        await jobs.addResent(id, await readToEnd(received))
        return undefined
      }
      const batches = decode?.(received, lease.signal) ?? received
      return await chunks.store({ part, range: { start, end }, lease, batches, check, announced: digest })
    } finally {
      lease.release()
    }
  }

  /** @returns the download as it is with the chunk */
  const putOne = async (request: ChunkRequest): Promise<DownloadRecord | undefined> => {
    const { id, session, attempt, range } = request
    const claimed = await findClaimed({ jobs }, id, { session, attempt })
    checkRange(range, claimed.size ?? 0, defaults.chunk)
    // Before it is durable: another chunk may be so after it, and ask for what it told before it is answered.
    const takeBack = request.sha256 === undefined ? undefined : announced.tell(request, session, request.sha256)
    try {
      const stored = await take(request)
      if (stored) await chunks.landed(stored, range)
      return stored ?? (await jobs.findDownload(id))
    } catch (error) {
      takeBack?.()
      if (isAppError(error, 'range-conflict')) error.details['received'] = await jobs.received(id, attempt)
      throw error
    }
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

    async put(request) {
      const { id, session, attempt, range, sha256, signal } = request
      if (sha256 === undefined) {
        const download = await putOne(request)
        const told = announced.told(request, session)
        if (download?.bytesReceived !== range.total || told === undefined) return undefined
        announced.forget(request)
        // This one is answered at once; whoever asks for the end hears of what comes of it.
        completion
          .complete(id, session, { attempt, size: range.total, sha256: told }, signal)
          .catch((error: unknown) => {
            // The server stops, and goes on with it at its next start.
            if (isAppError(error, 'shutting-down')) return
            report(error, 'everything is there, and could not be completed yet', id)
          })
        return undefined
      }
      const end = { attempt, size: range.total, sha256 }
      if (wasAsked(await findForSession({ jobs }, id, session), end)) {
        // A lost answer is answered the same.
        await jobs.addResent(id, await readToEnd(request.body(signal)))
        return completion.complete(id, session, end, signal)
      }
      const download = await putOne(request)
      if (download?.bytesReceived !== range.total) return undefined
      announced.forget(request)
      return completion.complete(id, session, end, signal)
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
