import { algorithmOf, runningDigest } from '../shared/digest.ts'
import { chunksSchema, type ChunksPage } from '../shared/protocol.ts'
import type { Log } from '../shared/log.ts'
import { missing, totalLength, union, type Range } from '../shared/ranges.ts'
import type { Api } from './api.ts'
import { JobDropped, JobFailure, quote } from './failure.ts'
import { readingBlock, readThrough } from './load.ts'
import type { Source } from './source.ts'

/** An attempt that is to be gone on with. */
export interface Resumed {
  id: string
  attempt: number
  /** Bytes of the whole. */
  size: number
  /** What begin said is there, within the size. */
  received: readonly Range[]
}

/**
 * Compares every chunk that the server has with the source as it is now, page by page and slice by slice. For a version
 * that does not tell of rewritten bytes.
 * @throws JobFailure `changed`, `io-error`; JobDropped when the answers cannot be; Refused, the signal's reason
 */
export type Proof = (resumed: Resumed) => Promise<void>

export function createProof({
  api,
  source,
  log,
  signal,
}: {
  api: Api
  source: Source
  log: Log
  signal: AbortSignal
}): Proof {
  const ask = async ({ id, attempt }: Resumed, from: number): Promise<ChunksPage> => {
    const { value } = await api.call({
      what: `ask what the server has of the job ${id}`,
      method: 'GET',
      path: `/jobs/${encodeURIComponent(id)}/chunks?attempt=${attempt}&from=${from}`,
      schema: chunksSchema,
      signal,
    })
    return value
  }

  const compare = async (chunk: ChunksPage['chunks'][number], block: Buffer): Promise<void> => {
    const running = runningDigest(algorithmOf(chunk.digest))
    await readThrough({ source, range: chunk, block, signal }, running.update)
    if (running.hex() === chunk.digest) return
    const { start, end } = chunk
    throw new JobFailure(
      'changed',
      `${quote(source.path)} holds other bytes from ${start} to ${end - 1} than when they were sent. ` +
        'Nothing was added to them. Ask again, or use the policy restart.',
    )
  }

  return async (resumed) => {
    const { id, received } = resumed
    log.info({ id, bytes: totalLength(received) }, 'comparing what the server has with the source')
    const block = readingBlock()
    let proven: Range[] = []
    for (let from: number | null = 0; from !== null;) {
      const page = await ask(resumed, from)
      checkPage(page, resumed, from)
      for (const chunk of page.chunks) await compare(chunk, block)
      proven = union([...proven, ...page.chunks])
      from = page.next
    }
    const unproven = received.some(({ start, end }) => missing(proven, end).some((hole) => hole.end > start))
    if (unproven) throw nonsense(id, 'no digests of bytes that it has')
  }
}

/** A page must lie within the file, in order from where it was asked for, and lead on: so the pages come to an end. */
function checkPage({ attempt, chunks, next }: ChunksPage, resumed: Resumed, from: number): void {
  if (attempt !== resumed.attempt) throw nonsense(resumed.id, `chunks of the attempt ${attempt}`)
  let at = from
  for (const { start, end } of chunks) {
    if (start < at || end <= start || end > resumed.size) throw nonsense(resumed.id, `a chunk from ${start} to ${end}`)
    at = end
  }
  if (next !== null && (next <= from || next < at || next >= resumed.size))
    throw nonsense(resumed.id, `a next page at ${next}`)
}

function nonsense(id: string, what: string): JobDropped {
  return new JobDropped(`The server tells ${what} of the job ${id}, which cannot be.`, { again: true })
}
