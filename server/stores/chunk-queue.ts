import type { Chunk, CommitState, DownloadRecord, JobStore } from '../ports.ts'
import { coalesce } from '../../shared/coalesce.ts'

/** A chunk on its way into the next transaction. */
export interface Waiting {
  id: string
  attempt: number
  chunk: Chunk
  check: (state: CommitState) => 'insert' | 'replay'
}

/** Of one chunk: what became of it, or what its check threw, which refuses this chunk alone. */
export type Outcome = { download: DownloadRecord | undefined } | { refusal: unknown }

interface Queued extends Waiting {
  resolve(download: DownloadRecord | undefined): void
  reject(error: unknown): void
}

/** Asks a chunk's check. @returns undefined when the chunk is to be inserted */
export function refusedOrReplayed(check: Waiting['check'], state: CommitState): Outcome | undefined {
  try {
    return check(state) === 'replay' ? { download: undefined } : undefined
  } catch (error) {
    return { refusal: error }
  }
}

/**
 * Inserts chunks: those that come while others are being made durable go together, in one transaction.
 * @param insertAll in the order given, and durably; what it throws is everybody's failure
 * @param lanes how many transactions there may be at once, the chunks of one download always in the same
 */
export function createChunkQueue(
  insertAll: (chunks: readonly Waiting[]) => Promise<readonly Outcome[]>,
  { lanes }: { lanes: number },
): JobStore['insertChunk'] {
  const pushes = Array.from({ length: lanes }, () => createLane(insertAll))
  return (id, attempt, chunk, check) => {
    const { promise, resolve, reject } = Promise.withResolvers<DownloadRecord | undefined>()
    pushes[laneOf(id, lanes)]?.({ id, attempt, chunk, check, resolve, reject })
    return promise
  }
}

function createLane(insertAll: (chunks: readonly Waiting[]) => Promise<readonly Outcome[]>): (chunk: Queued) => void {
  let queue: Queued[] = []

  const insertQueued = async (): Promise<void> => {
    // Whatever else this turn of the event loop brings comes along.
    await new Promise<void>((resolve) => setImmediate(resolve))
    const chunks = queue
    queue = []
    try {
      const outcomes = await insertAll(chunks)
      for (const [index, outcome] of outcomes.entries()) {
        if ('refusal' in outcome) chunks[index]?.reject(outcome.refusal)
        else chunks[index]?.resolve(outcome.download)
      }
    } catch (error) {
      for (const { reject } of chunks) reject(error)
    }
  }

  const insertSoon = coalesce(insertQueued)

  return (chunk) => {
    queue.push(chunk)
    void insertSoon()
  }
}

function laneOf(id: string, lanes: number): number {
  if (lanes === 1) return 0
  let sum = 0
  for (let index = 0; index < id.length; index += 1) sum = (sum * 31 + id.charCodeAt(index)) >>> 0
  return sum % lanes
}
