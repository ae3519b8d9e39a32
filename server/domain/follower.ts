import { AppError, isAppError } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, PartReader } from '../byte-ports.ts'
import type { Chunk, DownloadRecord, JobStore } from '../ports.ts'
import { bytesTopic, downloadTopic } from './topics.ts'
import type { Waiting } from './waiting.ts'

/** The last bytes are held back until the whole is verified, so that nobody takes an unverified file for a whole one. */
const HELD_BACK = 64 * 1024
const ROWS_PER_STEP = 100
/** A reader to whom no byte came for this long, in ms, is let go; the download itself goes on. */
const STALLED = 5 * 60_000

interface Readable {
  /** How far may be handed out now. */
  limit: number
  /** Verified: there is nothing more to wait for. */
  whole: boolean
}

/** The bytes of an attempt from 0 on, as they become contiguous and durable. */
export type Follow = (download: DownloadRecord, reader: PartReader, signal: AbortSignal) => AsyncGenerator<Uint8Array>

/** Readers of arriving content. A reader throws `content-broken` as soon as its attempt ends otherwise than verified. */
export function createFollower({
  jobs,
  bytes,
  waiting,
}: {
  jobs: JobStore
  bytes: ByteStore
  waiting: Waiting
}): Follow {
  /** Everything once verified, all but the last bytes before. */
  const readable = async ({ id, attempt, size }: DownloadRecord): Promise<Readable> => {
    const now = await jobs.findDownload(id)
    const length = size ?? 0
    const same = now?.attempt === attempt
    if (same && now.status === 'completed') return { limit: length, whole: true }
    if (same && (now.status === 'transferring' || now.status === 'verifying')) {
      return { limit: Math.max(0, length - HELD_BACK), whole: false }
    }
    throw new AppError(
      'content-broken',
      `The transfer of ${id} ended before it was whole: ${now?.reason ?? now?.status}.`,
      { id },
    )
  }

  const contiguous = async ({ id, attempt }: DownloadRecord, at: number, limit: number): Promise<Chunk[]> => {
    if (at >= limit) return []
    const chunks = await jobs.chunksFrom(id, attempt, at, ROWS_PER_STEP)
    let end = at
    const holeAt = chunks.findIndex((chunk) => {
      const hole = chunk.start > end || chunk.start >= limit
      end = chunk.end
      return hole
    })
    return holeAt === -1 ? chunks : chunks.slice(0, holeAt)
  }

  const finished = async function* (name: string, range: Range): AsyncGenerator<Uint8Array> {
    const content = await bytes.openContent(name)
    try {
      yield* content.read(range)
    } finally {
      await content.close()
    }
  }

  /** Where chunks are objects, they go once the whole has its name: what was not read yet is read there. */
  const read = async function* (
    { id, attempt }: DownloadRecord,
    reader: PartReader,
    chunk: Chunk,
    range: Range,
  ): AsyncGenerator<Uint8Array> {
    let at = range.start
    try {
      for await (const piece of reader.read(chunk, range)) {
        at += piece.byteLength
        yield piece
      }
    } catch (error) {
      if (!isAppError(error, 'content-removed')) throw error
      const now = await jobs.findDownload(id)
      if (now?.attempt !== attempt || now.status !== 'completed' || now.name === null) throw error
      yield* finished(now.name, { start: at, end: range.end })
    }
  }

  return async function* follow(download, reader, signal) {
    const { id, size } = download
    const topics = [bytesTopic(id), downloadTopic(id)]
    let at = 0
    const next = async (): Promise<{ limit: number; chunks: Chunk[] } | undefined> => {
      const { limit, whole } = await readable(download)
      const chunks = await contiguous(download, at, limit)
      // The rows of a whole file go with it, and never come back.
      if (whole && at < (size ?? 0) && chunks.length === 0) {
        throw new AppError('content-broken', `The file of ${id} was removed while it was read.`, { id })
      }
      return chunks.length > 0 || (whole && at === size) ? { limit, chunks } : undefined
    }
    while (!signal.aborted) {
      const step = await waiting.until(topics, next, { ms: STALLED, signal })
      if (!step && signal.aborted) return
      if (!step) throw new AppError('content-broken', `No byte of ${id} came for ${STALLED / 60_000} min.`, { id })
      if (step.chunks.length === 0) return
      for (const chunk of step.chunks) {
        const range = { start: at, end: Math.min(chunk.end, step.limit) }
        yield* read(download, reader, chunk, range)
        at = range.end
      }
    }
  }
}
