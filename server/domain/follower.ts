import { AppError } from '../../shared/errors.ts'
import type { ByteStore, Chunk, DownloadRecord, JobStore, PartReader } from '../ports.ts'
import { bytesTopic, downloadTopic } from './topics.ts'
import type { Waiting } from './waiting.ts'

/** The last bytes are held back until the whole is verified, so that nobody takes an unverified file for a whole one. */
const HELD_BACK = 64 * 1024
const ROWS_PER_STEP = 100
/** A bound on one wait, in ms; the loop then reads the state again. */
const LOOK_AGAIN = 30_000

/** The bytes of an attempt from 0 on, as they become contiguous and durable. */
export type Follow = (download: DownloadRecord, signal: AbortSignal) => AsyncGenerator<Uint8Array>

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
  /** How far may be handed out now: everything once verified, all but the last bytes before. */
  const readable = async ({ id, attempt, size }: DownloadRecord): Promise<number> => {
    const now = await jobs.findDownload(id)
    const whole = size ?? 0
    if (now?.attempt === attempt && now.status === 'completed') return whole
    if (now?.attempt === attempt && (now.status === 'transferring' || now.status === 'verifying'))
      return Math.max(0, whole - HELD_BACK)
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

  async function* bytesOf(
    download: DownloadRecord,
    reader: PartReader,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const { id, size } = download
    let at = 0
    const next = async (): Promise<{ limit: number; chunks: Chunk[] } | undefined> => {
      const limit = await readable(download)
      const chunks = await contiguous(download, at, limit)
      return chunks.length > 0 || (at === size && limit === size) ? { limit, chunks } : undefined
    }
    for (;;) {
      if (signal.aborted) return
      const step = await waiting.until([bytesTopic(id), downloadTopic(id)], next, { ms: LOOK_AGAIN, signal })
      for (const chunk of step?.chunks ?? []) {
        const range = { start: at, end: Math.min(chunk.end, step?.limit ?? at) }
        yield* reader.read(chunk, range)
        at = range.end
      }
      if (step && at === size && step.limit === size) return
    }
  }

  return async function* follow(download, signal) {
    const reader = await bytes.openReader(download)
    try {
      yield* bytesOf(download, reader, signal)
    } finally {
      await reader.close()
    }
  }
}
