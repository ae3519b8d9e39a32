import { randomUUID } from 'node:crypto'
import { cut, lengthOf, type Batch } from '../../shared/batches.ts'
import { sha256 as newSha256, type Sha256 } from '../../shared/digest.ts'
import { AppError, isAppError } from '../../shared/errors.ts'
import { defaults } from '../../shared/protocol.ts'
import { pieces } from '../../shared/ranges.ts'
import { pause } from '../../shared/wait.ts'
import type { Part } from '../byte-ports.ts'
import type { Chunk, CommitState, DownloadRecord, JobStore, Leases } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import type { Body, Chunks } from './chunks.ts'
import type { Completion } from './completion.ts'
import type { Downloads } from './downloads.ts'
import { checkOpen, checkUnderWay, judgeOverlap } from './guards.ts'
import type { Later } from './later.ts'
import { partKey } from './part-key.ts'

export interface WholeRequest {
  id: string
  size: number
  /** From Repr-Digest; without it the download completes unverified. */
  sha256: Sha256 | undefined
  body: Body
  signal: AbortSignal
}

export interface WholeUploads {
  /** Takes a whole file in one request (`curl -T`), as an attempt of its own; cut off, it leaves nothing. */
  put(request: WholeRequest): Promise<DownloadRecord>
  /** Whether this server receives the part at this moment. */
  receives(part: Part): boolean
}

export interface WholeDeps {
  jobs: JobStore
  downloads: Downloads
  attempts: Attempts
  chunks: Chunks
  completion: Completion
  later: Later
  leases: Leases
}

/** Whoever has it receives the part: of one that nobody has, nothing more comes. */
export const uploadLease = (part: Part): string => `upload:${partKey(part)}`

/** In ms; much sooner than who looks for uploads that nobody has looks again. */
const HOLD_AGAIN = 1_000
/** Who looks has it for a moment, in ms. */
const MOMENT = 50

/**
 * Holds a lease until the function returned is called. It is asked for again and again, for it is gone when this server
 * was taken for dead.
 */
async function keep(leases: Leases, name: string, signal: AbortSignal): Promise<() => Promise<void>> {
  while (!(await leases.hold(name)) && !signal.aborted) await pause(MOMENT)
  const ended = new AbortController()
  const keeping = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      await pause(HOLD_AGAIN, ended.signal)
      // Without it the upload goes on all the same, and the next turn asks again.
      if (!ended.signal.aborted) await leases.hold(name).catch(() => undefined)
    }
    // It runs out by itself.
    await leases.release(name).catch(() => undefined)
  }
  const kept = keeping()
  return () => {
    ended.abort()
    return kept
  }
}

export function createWholeUploads(deps: WholeDeps): WholeUploads {
  const { jobs, downloads, attempts, chunks, completion, later, leases } = deps
  const receiving = new Set<string>()

  /** Durable chunk by chunk, so that it can be read while it arrives. @throws AppError `digest-mismatch` */
  const receive = async (download: DownloadRecord, { size, sha256, body, signal }: WholeRequest): Promise<void> => {
    const part = { id: download.id, attempt: download.attempt }
    const whole = { start: 0, end: size }
    const check = (chunk: Chunk, { download: current, overlapping }: CommitState): 'insert' | 'replay' => {
      if (current) checkUnderWay(current, part.attempt)
      return judgeOverlap(chunk, overlapping)
    }
    const lease = await chunks.hold(part, whole, '', signal)
    let tap: Tap | undefined
    try {
      // Without a digest to compare it with, the verification's own is enough.
      const hash = sha256 === undefined ? undefined : newSha256()
      tap = createTap(body(lease.signal), (piece) => hash?.update(piece))
      for (const range of pieces(whole, defaults.chunk.preferred)) {
        const batches = tap.take(range.end - range.start)
        const stored = await chunks.store({ part, range, lease, batches, check })
        if (stored) await chunks.landed(stored, range)
      }
      if (hash?.digest('hex') !== sha256) throw damaged()
    } finally {
      await tap?.close()
      lease.release()
    }
  }

  const giveUp = async (started: DownloadRecord, error: unknown): Promise<void> => {
    const full = isAppError(error, 'store-full')
    const detail = isAppError(error, 'store-full', 'store-busy')
      ? error.message
      : 'The upload was cut off, or damaged on the way.'
    // One that is verifying goes on by itself, whatever its caller hears.
    const work = () => attempts.abandon(started, full ? 'store-full' : 'io-error', detail, { from: ['transferring'] })
    await later.insist(partKey(started), work)
  }

  return {
    receives: (part) => receiving.has(partKey(part)),

    async put(request) {
      const download = await downloads.find(request.id)
      checkOpen(download)
      const started = await attempts.start(download, { source: randomUUID(), whole: true, size: request.size })
      if (!started) throw new AppError('attempt-superseded', 'The job changed meanwhile; send the file again.')
      receiving.add(partKey(started))
      let letGo: (() => Promise<void>) | undefined
      try {
        letGo = await keep(leases, uploadLease(started), request.signal)
        await receive(started, request)
        const current = (await jobs.findDownload(request.id)) ?? started
        checkUnderWay(current, started.attempt)
        return await completion.completeAttempt(current, request.sha256 ?? null, undefined, request.signal)
      } catch (error) {
        await giveUp(started, error)
        throw error
      } finally {
        receiving.delete(partKey(started))
        await letGo?.()
      }
    },
  }
}

function damaged(): AppError {
  return new AppError(
    'digest-mismatch',
    'The body does not have the announced Repr-Digest; it was damaged on the way. Send it again.',
  )
}

interface Tap {
  take(length: number): AsyncGenerator<Batch>
  close(): Promise<void>
}

/** Takes a stream apart into lengths, without joining or copying its pieces. */
function createTap(source: AsyncIterable<Batch>, see: (piece: Uint8Array) => void): Tap {
  const iterator = source[Symbol.asyncIterator]()
  let rest: Batch = []
  return {
    async *take(length) {
      for (let left = length; left > 0;) {
        if (rest.length === 0) {
          const { value, done } = await iterator.next()
          if (done) return
          value.forEach(see)
          rest = value
        }
        const [head, tail] = cut(rest, left)
        rest = tail
        left -= lengthOf(head)
        yield head
      }
    },
    async close() {
      await iterator.return?.()
    },
  }
}
