import type { ChunkDigest } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import { defaults } from '../../shared/protocol.ts'
import type { Range } from '../../shared/ranges.ts'
import type { DirectChunks, Part } from '../byte-ports.ts'
import type { Chunk, Clock, DownloadRecord, JobStore } from '../ports.ts'
import type { Chunks } from './chunks.ts'
import { findClaimed, judgeCommit, judgeOverlap } from './guards.ts'
import type { Land, Landing } from './landing.ts'
import type { Resent } from './resent.ts'
import { checkLength } from './uploads.ts'

/** How long a URL is good, in s: one that begins in time may take longer. Nothing but the very chunk can be put under it. */
const GOOD_FOR = 15 * 60

export interface DirectOffer extends Part {
  session: string
  range: Range
  digest: ChunkDigest
  /** In Base64. */
  md5: string
}

export interface DirectChunk extends Landing {
  digest: ChunkDigest
  tag: string
}

/** Where an agent puts a chunk: `tag` is what it commits it with. */
export interface Offered {
  url: string
  headers: Record<string, string>
  tag: string
  /** Epoch ms. */
  expires: number
}

/** Chunks that agents put into the store themselves. Every server serves every step: none of them remembers anything. */
export interface Direct {
  /**
   * Where a chunk may be put.
   * @returns undefined when it is there already
   * @throws AppError as in the protocol's table of a chunk
   */
  offer(offer: DirectOffer): Promise<Offered | undefined>
  /**
   * Counts a chunk that was put; when it returns, the chunk is durable. Repeatable.
   * @returns the download, `completed` or `verifying`, when everything is there and the digest of the whole was given
   * @throws AppError as in the protocol's tables of a chunk and of complete
   */
  commit(chunk: DirectChunk): Promise<DownloadRecord | undefined>
}

export interface DirectDeps {
  resent: Resent
  jobs: JobStore
  store: DirectChunks
  chunks: Chunks
  land: Land
  clock: Clock
}

export function createDirect({ jobs, store, chunks, land, resent, clock }: DirectDeps): Direct {
  const check = async ({ id, session, attempt, range }: Part & { session: string; range: Range }): Promise<void> => {
    const { size } = await findClaimed({ jobs }, id, { session, attempt })
    if (range.start >= range.end || range.end > (size ?? 0)) {
      const detail = `start ${range.start} and end ${range.end} are no range of the ${size} bytes of this attempt.`
      throw new AppError('range-invalid', detail, { field: 'end' })
    }
    checkLength(range, defaults.chunk)
  }

  const judge = async (part: Part, range: Range, digest: ChunkDigest): Promise<'insert' | 'replay'> => {
    const { id, attempt } = part
    try {
      return judgeOverlap({ ...range, digest }, await jobs.overlappingChunks(id, attempt, range))
    } catch (error) {
      if (isAppError(error, 'range-conflict')) error.details['received'] = await jobs.received(id, attempt)
      throw error
    }
  }

  const discard = async (part: Part, { start, end, tag }: Chunk): Promise<void> => {
    await store.discardChunk(part, start, tag)
    await resent.add(part, { start, end }, end - start)
  }

  /** The key is made here, of the attempt's part and of where the chunk begins: a tag names no other's object. */
  const checkLanded = async (part: Part, chunk: Chunk): Promise<void> => {
    const length = await store.chunkLanded(part, chunk.start, chunk.tag)
    if (length === chunk.end - chunk.start) return
    const found = length === undefined ? 'does not hold this chunk' : `holds ${length} bytes instead of this chunk`
    throw new AppError('digest-mismatch', `The store ${found}. Ask for another URL, and send it again.`)
  }

  const take = async (request: DirectChunk): Promise<DownloadRecord | undefined> => {
    const { id, attempt, digest, tag } = request
    const part = { id, attempt }
    const { start, end } = request.range
    const chunk = { start, end, digest, tag }
    // Said again after a lost answer, it need not be looked for again.
    const rows = await jobs.overlappingChunks(id, attempt, { start, end })
    if (rows.length === 1 && isSame(rows[0]!, chunk)) return undefined
    await checkLanded(part, chunk)
    let counted = false
    return chunks.add({
      part,
      chunk,
      check(added, state) {
        // What a row refers to stays, whatever is said of it later.
        counted = state.overlapping.some((row) => row.start === start && row.tag === tag)
        return judgeCommit(added, state, request)
      },
      discard: async () => (counted ? undefined : discard(part, chunk)),
    })
  }

  return {
    async offer({ id, attempt, session, range, digest, md5 }) {
      const part = { id, attempt }
      await check({ ...part, session, range })
      if ((await judge(part, range, digest)) === 'replay') return undefined
      const expires = clock.now() + GOOD_FOR * 1000
      const length = range.end - range.start
      return { ...(await store.presignChunk({ part, start: range.start, length, md5, seconds: GOOD_FOR })), expires }
    },

    commit: (request) =>
      land(request, { check: () => check(request), take: () => take(request), repeated: async () => undefined }),
  }
}

const isSame = (row: Chunk, { start, end, digest, tag }: Chunk): boolean =>
  row.start === start && row.end === end && row.digest === digest && row.tag === tag
