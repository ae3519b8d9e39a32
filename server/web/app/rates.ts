import type { Download } from '../../../shared/operator.ts'

/** What of a download two looks are compared by. */
export type Seen = Pick<Download, 'id' | 'attempt' | 'status' | 'size' | 'bytesReceived'>

/** Bytes per second of what runs, seen from outside. */
export interface Rates {
  /** @param at on a clock that never goes back, in ms */
  look(downloads: readonly Seen[], at: number): void
  /** Bytes per second; undefined until two looks have shown some. */
  of(id: string): number | undefined
  /** Seconds until all bytes are there, if it goes on so. */
  left(download: Seen): number | undefined
}

/** In ms: looks closer than this tell nothing. */
const CLOSEST = 500
/** How much the newest look counts: chunks come in lumps. */
const WEIGHT = 0.4

interface Look {
  at: number
  attempt: number
  bytes: number
  rate: number | undefined
}

/** Only what was in the last look is remembered. */
export function createRates(): Rates {
  let looks = new Map<string, Look>()

  const next = ({ id, attempt, bytesReceived: bytes }: Seen, at: number): Look => {
    const before = looks.get(id)
    if (!before || before.attempt !== attempt || bytes < before.bytes) return { at, attempt, bytes, rate: undefined }
    if (at - before.at < CLOSEST) return before
    const now = ((bytes - before.bytes) / (at - before.at)) * 1000
    const rate = before.rate === undefined ? now : before.rate * (1 - WEIGHT) + now * WEIGHT
    return { at, attempt, bytes, rate }
  }

  const of = (id: string): number | undefined => looks.get(id)?.rate
  return {
    look(downloads, at) {
      const running = downloads.filter(({ status }) => status === 'transferring')
      looks = new Map(running.map((download) => [download.id, next(download, at)]))
    },
    of,
    left({ id, size, bytesReceived }) {
      const rate = of(id)
      return size === null || !rate ? undefined : (size - bytesReceived) / rate
    },
  }
}
