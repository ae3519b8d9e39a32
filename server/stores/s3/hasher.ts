import { sha256, type Sha256 } from '../../../shared/digest.ts'
import { AppError } from '../../../shared/errors.ts'
import { createBudget } from '../../../shared/budget.ts'
import type { Part, PartHasher, PartRows } from '../../byte-ports.ts'
import { isMissing } from './errors.ts'
import type { Layout } from './layout.ts'
import type { Objects } from './objects.ts'
import { readInOrder, type Piece } from './reading.ts'
import { chunksInOrder } from './rows.ts'

/** Chunks asked for while one is hashed. */
const AHEAD = 3
/** It is read ahead in steps of so many bytes: less than that is soon read when the digest is asked for. */
const STEP = 8 * 2 ** 20
/** Parts read ahead at once: what arrives goes before what is read back. */
const READ_AHEAD = 2

export type OpenHasher = (part: Part, rows: PartRows) => PartHasher

/** Hashers that read parts back from the object store. */
export function createHashers({ objects, layout }: { objects: Objects; layout: Layout }): OpenHasher {
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
    /** How much is durable, and was not read so far, as far as was told. */
    let unread = 0
    let running: Promise<void> = Promise.resolve()
    let ahead = false

    async function* pieces(): AsyncGenerator<Piece> {
      for await (const { start, end, tag } of chunksInOrder(part, rows, at)) {
        const from = Math.max(at, start)
        yield { key: layout.chunk(part, start, tag), range: { start: from - start, end: end - start } }
      }
    }

    /** Reads on to the end of what is contiguous. */
    const readOn = async (): Promise<void> => {
      if (signal.aborted) throw signal.reason
      // What is asked for, and not taken after a failure, must not stay open.
      const reading = new AbortController()
      const both = AbortSignal.any([signal, reading.signal])
      try {
        for await (const bytes of readInOrder(objects, pieces(), { ahead: AHEAD, signal: both })) {
          hash.update(bytes)
          at += bytes.byteLength
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

    /** Waits before it takes its place in the line: a digest is never behind one that waits for others' parts. */
    const readAhead = async (): Promise<void> => {
      const giveBack = await turns.reserve(1, signal)
      try {
        unread = 0
        await inTurn(readOn)
      } finally {
        giveBack()
      }
    }

    return {
      async extend({ start, end }) {
        unread += end - start
        if (unread < STEP || ahead) return
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
