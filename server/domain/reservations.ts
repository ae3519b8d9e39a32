import { AppError } from '../../shared/errors.ts'
import { overlaps, type Range } from '../../shared/ranges.ts'
import { pause } from '../../shared/wait.ts'
import type { Part } from '../byte-ports.ts'
import { sessionNumber } from './guards.ts'
import { partKey } from './part-key.ts'

/** A writer that has moved no byte for this long, in ms, can be taken over. */
const STALLED = 5_000

/** The right to write a range of a part, held until `release`. */
export interface Lease {
  /** Aborts when the holder must stop; its reason is an AppError. */
  readonly signal: AbortSignal
  /** To be called when something moved: so many bytes, or none of the range's own. */
  moved(bytes: number): void
  abort(reason: AppError): void
  /** To be called after the last write has returned. */
  release(): void
}

/** A range that is being written, and how many bytes of it have come. */
export interface Writing extends Range {
  bytes: number
}

interface Held {
  range: Range
  bytes: number
  session: string
  movedAt: number
  controller: AbortController
  released: Promise<void>
}

export interface Reservations {
  /**
   * Waits until nobody else writes a byte of the range. Takes over from an older session, or from a writer that stalls,
   * and then only after that one's last write has returned.
   */
  acquire(part: Part, range: Range, session: string, signal: AbortSignal): Promise<Lease>
  /** What of a part is being written at this moment. */
  writing(part: Part): Writing[]
}

/** Who writes what at this moment, in this process: ranges of one part are never written by two. */
export function createReservations(): Reservations {
  const parts = new Map<string, Set<Held>>()

  return {
    async acquire(part, range, session, signal) {
      const key = partKey(part)
      for (let other = findOverlap(parts.get(key), range); other; other = findOverlap(parts.get(key), range)) {
        const stalledFor = performance.now() - other.movedAt
        if (sessionNumber(other.session) < sessionNumber(session) || stalledFor >= STALLED) {
          other.controller.abort(new AppError('attempt-superseded', 'Another connection sends this range now.'))
          await other.released
          continue
        }
        await releasedOr(STALLED - stalledFor, other, signal)
        if (signal.aborted) throw signal.reason
      }
      const held = parts.get(key) ?? new Set()
      parts.set(key, held)
      const { promise: released, resolve } = Promise.withResolvers<void>()
      const controller = new AbortController()
      const mine: Held = { range, bytes: 0, session, movedAt: performance.now(), controller, released }
      held.add(mine)
      return {
        signal: mine.controller.signal,
        moved(bytes) {
          mine.bytes += bytes
          mine.movedAt = performance.now()
        },
        abort: (reason) => mine.controller.abort(reason),
        release() {
          held.delete(mine)
          if (held.size === 0) parts.delete(key)
          resolve()
        },
      }
    },

    writing: (part) => [...(parts.get(partKey(part)) ?? [])].map(({ range, bytes }) => ({ ...range, bytes })),
  }
}

/** Resolves when the other has released its range, after `ms`, or when the signal aborts; leaves no timer behind. */
async function releasedOr(ms: number, other: Held, signal: AbortSignal): Promise<void> {
  const over = new AbortController()
  await Promise.race([other.released, pause(ms, AbortSignal.any([signal, over.signal]))])
  over.abort()
}

function findOverlap(held: Set<Held> | undefined, range: Range): Held | undefined {
  for (const other of held ?? []) if (overlaps(other.range, range)) return other
  return undefined
}
