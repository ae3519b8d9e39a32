import type { Clock } from './bucket.ts'

/** What the line took within a time. */
export interface Carried {
  bytes: number
  ms: number
}

/** A moment in which nothing is held back, so that the line shows what it gives: all that is open passes. */
export interface Probe {
  /** An upload has ended. @param whole whether all of it was sent and answered @returns whether it belonged to the probe */
  ended(upload: Unsent, whole: boolean): boolean
  /** Whether everything has ended, or it takes too long. */
  isOver(): boolean
  tookMs(): number
  /** Nothing, if most of it was neither answered nor is it late. */
  carried(): Carried | undefined
}

/** An upload, of which so many bytes are still to be sent. */
export interface Unsent {
  readonly left: number
}

/** @param open the uploads that make the probe @param lateMs when it is given up */
export function createProbe({ clock, open, lateMs }: { clock: Clock; open: Iterable<Unsent>; lateMs: number }): Probe {
  const startedAt = clock.now()
  const uploads = new Map([...open].map((upload) => [upload, upload.left]))
  const bytes = [...uploads.values()].reduce((sum, left) => sum + left, 0)
  let answered = 0
  let best: Carried | undefined

  const tookMs = (): number => clock.now() - startedAt
  const isLate = (): boolean => tookMs() > lateMs

  return {
    tookMs,
    isOver: () => uploads.size === 0 || isLate(),
    ended(upload, whole) {
      const left = uploads.get(upload)
      if (left === undefined) return false
      uploads.delete(upload)
      if (whole) answered += left
      // When it went fastest, and most was answered: who comes last was held up by something else.
      if (answered * 2 >= bytes && answered / tookMs() > (best ? best.bytes / best.ms : 0))
        best = { bytes: answered, ms: tookMs() }
      return true
    },
    carried() {
      if (best || !isLate()) return best
      // The line got slower by far: what was taken was sent, or will be soon.
      return { bytes: bytes - [...uploads.keys()].reduce((sum, { left }) => sum + left, 0), ms: tookMs() }
    },
  }
}
