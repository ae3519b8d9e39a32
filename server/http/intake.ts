import type { IncomingMessage } from 'node:http'
import { giveBack, type Batch } from '../../shared/batches.ts'
import { AppError } from '../../shared/errors.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** What all bodies together may hold in memory, in bytes: half of it gathered, half on its way to the disk. */
const BUDGET = 16 * MiB
/** The bytes of one body that are gathered before they are passed on, with what their pieces take. */
const BATCH = { least: 16 * KiB, most: MiB } as const
/** What a piece takes beside its bytes, in bytes: a body can be cut into pieces of one byte. */
const PIECE = 512
/** What was gathered is passed on after this long in any case, in ms: a slow line is not kept waiting. */
const TICK = 1_000
/** A body that stands still for so many ticks is given up. There is no limit on the length of a request. */
const IDLE_TICKS = 60

export interface Intake {
  /**
   * The bytes of a request's body in batches: large ones where they come fast, small ones where many come at once. A
   * batch is gone as soon as the next one is asked for.
   * @throws the signal's reason when it aborts, AppError `body-timeout` when the body stands still, `range-invalid` when
   * the connection breaks
   */
  read(req: IncomingMessage, signal: AbortSignal): AsyncGenerator<Batch>
}

/** Reads bodies, all of them within one budget of memory. */
export function createIntake(): Intake {
  let open = 0
  const batchSize = (): number => Math.min(BATCH.most, Math.max(BATCH.least, BUDGET / 2 / open))

  return {
    async *read(req, signal) {
      let gathered: Uint8Array[] = []
      /** What the gathered pieces take in memory, in bytes. */
      let held = 0
      let quiet = 0
      let due = false
      let wake = (): void => undefined

      // Flowing and not read(): in paused mode that joins what is there into new buffers.
      const take = (piece: Uint8Array): void => {
        gathered.push(piece)
        held += PIECE + piece.byteLength
        quiet = 0
        if (held < batchSize()) return
        req.pause()
        wake()
      }
      const look = (): void => wake()
      const ticking = setInterval(() => {
        quiet += 1
        due = held > 0
        wake()
      }, TICK)

      open += 1
      req.on('data', take)
      for (const event of endings) req.on(event, look)
      signal.addEventListener('abort', look)
      try {
        for (;;) {
          if (signal.aborted) throw signal.reason
          // One that was stopped is passed on, even if others have left it more room since: nothing more would come.
          if (held > 0 && (due || req.readableEnded || req.isPaused() || held >= batchSize())) {
            const batch = gathered
            gathered = []
            held = 0
            due = false
            req.resume()
            yield batch
            giveBack(batch)
            // While the disk was waited for, nothing could come.
            quiet = 0
          } else if (req.readableEnded) return
          else if (req.destroyed) throw new AppError('range-invalid', 'The connection broke before the body was whole.')
          else if (quiet >= IDLE_TICKS) throw stoodStill()
          else await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        open -= 1
        clearInterval(ticking)
        req.off('data', take)
        for (const event of endings) req.off(event, look)
        signal.removeEventListener('abort', look)
        req.pause()
      }
    },
  }
}

const endings = ['end', 'close', 'error'] as const

function stoodStill(): AppError {
  return new AppError('body-timeout', `No byte of the body came for ${(IDLE_TICKS * TICK) / 1000} s.`)
}
