import { giveBack } from '../../../shared/batches.ts'
import { sha256, type Sha256 } from '../../../shared/digest.ts'
import { AppError } from '../../../shared/errors.ts'
import { createBudget } from '../../../shared/budget.ts'
import type { Part, PartHasher, PartRows } from '../../byte-ports.ts'
import { isMissing } from './errors.ts'
import { createLag } from './lag.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'
import { readInOrder, type Piece } from './reading.ts'
import { chunksInOrder } from './rows.ts'

/** Chunks asked for while one is hashed. */
const AHEAD = 3
/** It is read ahead in steps of so many bytes: less than that is soon read when the digest is asked for. */
const STEP = 8 * 2 ** 20
/** Parts read ahead at once. */
const READ_AHEAD = 2
/** While chunks come in they go first: what came within this time, in ms, is read back later. */
const GIVES_WAY = 10_000

export type OpenHasher = (part: Part, rows: PartRows) => PartHasher

/** Hashers that read parts back from the object store. */
export function createHashers({
  objects,
  layout,
  isBusy,
}: {
  objects: Objects
  layout: Layout
  /** Whether chunks are coming in. */
  isBusy: () => boolean
}): OpenHasher {
  const turns = createBudget(READ_AHEAD)

  return (part, rows) => {
    const ended = new AbortController()
    const { signal } = ended
    const closed = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
    closed.catch(() => undefined)
    const hash = sha256()
    let at = 0
    /** Bytes that are durable, as far as was told. */
    let told = 0
    const lag = createLag({ age: GIVES_WAY, now: () => performance.now() })
    let running: Promise<void> = Promise.resolve()
    let ahead = false

    async function* pieces(): AsyncGenerator<Piece> {
      for await (const { start, end, tag } of chunksInOrder(part, rows, at)) {
        const from = Math.max(at, start)
        yield { key: layout.chunk(part, start, tag), range: { start: from - start, end: end - start } }
      }
    }

    /** Reads on to the end of what is contiguous, or to `until`. */
    const readOn = async (until = Infinity): Promise<void> => {
      if (signal.aborted) throw signal.reason
      // What is asked for, and not taken after a failure, must not stay open.
      const reading = new AbortController()
      const both = AbortSignal.any([signal, reading.signal])
      try {
        for await (const bytes of readInOrder(objects, pieces(), { ahead: AHEAD, signal: both })) {
          hash.update(bytes)
          at += bytes.byteLength
          giveBack([bytes])
          if (at >= until) break
        }
      } catch (error) {
        throw isMissing(error)
          ? new AppError('content-removed', `the chunk at ${at} is gone`, {}, { cause: error })
          : error
      } finally {
        reading.abort()
      }
    }

    /** One after the other: they go on where the one before stopped. */
    const inTurn = (work: () => Promise<void>): Promise<void> => (running = running.catch(() => undefined).then(work))

    /** How far it may be read now. */
    const limit = (): number => {
      const due = lag.due()
      return isBusy() ? due : Infinity
    }

    /** Waits before it takes its place in the line: a digest is never behind one that waits for others' parts. */
    const readAhead = async (): Promise<void> => {
      const endTurn = await turns.reserve(1, signal)
      try {
        await inTurn(() => readOn(limit()))
      } finally {
        endTurn()
      }
    }

    return {
      async extend({ start, end }) {
        lag.told(end - start)
        told += end - start
        if (ahead || Math.min(told, limit()) - at < STEP) return
        ahead = true
        // A failed read ahead is no news: the digest reads again, and tells.
        readAhead()
          .catch(() => undefined)
          .finally(() => (ahead = false))
      },

      digest(size) {
        const whole = async (): Promise<Sha256> => {
          await inTurn(readOn)
          if (at < size) throw new AppError('content-removed', `the part ends at ${at}, before ${size}`)
          return hash.copy().digest('hex')
        }
        return Promise.race([whole(), closed])
      },

      close: () => ended.abort(new Error('the hasher was closed')),
    }
  }
}
