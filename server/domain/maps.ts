import type { Range } from '../../shared/ranges.ts'
import type { DownloadRecord, JobStore } from '../ports.ts'
import { partKey } from './part-key.ts'
import type { Reservations, Writing } from './reservations.ts'
import type { Resent } from './resent.ts'

/** Looking at a large file's ranges takes time, and pages ask every second: at most one part in so many is spent on it. */
const SHARE = 100
/** Attempts whose ranges are kept for those who ask again. */
const MOST_KEPT = 200

/** Where the bytes of an attempt are. All ranges are in order; of those being written, none is durable yet. */
export interface DownloadMap {
  received: Range[]
  /** At this server. */
  receiving: Writing[]
  /** As far as this server saw it. */
  resent: Range[]
}

export interface Maps {
  of(download: DownloadRecord): Promise<DownloadMap>
}

interface Kept {
  ranges: Promise<Range[]>
  /** On the clock that never goes back, in ms. */
  until: number
  bytes: number
}

/** Pictures of attempts under way, for people. */
export function createMaps({
  jobs,
  reservations,
  resent,
}: {
  jobs: JobStore
  reservations: Pick<Reservations, 'writing'>
  resent: Pick<Resent, 'of'>
}): Maps {
  const kept = new Map<string, Kept>()

  const read = ({ id, attempt, bytesReceived }: DownloadRecord, key: string): Promise<Range[]> => {
    const before = kept.get(key)
    if (before && (before.bytes === bytesReceived || performance.now() < before.until)) return before.ranges
    const begun = performance.now()
    const entry: Kept = { ranges: jobs.received(id, attempt), until: Infinity, bytes: bytesReceived }
    kept.delete(key)
    kept.set(key, entry)
    entry.ranges.then(
      () => (entry.until = performance.now() + (performance.now() - begun) * SHARE),
      () => kept.delete(key),
    )
    const [oldest] = kept.keys()
    if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest)
    return entry.ranges
  }

  return {
    async of(download) {
      if (download.source === null) return { received: [], receiving: [], resent: [] }
      const whole = download.status === 'completed' && download.size !== null && download.size > 0
      return {
        // The rows go once the file has its name.
        received: whole ? [{ start: 0, end: download.size ?? 0 }] : await read(download, partKey(download)),
        receiving: reservations.writing(download).toSorted((a, b) => a.start - b.start),
        resent: resent.of(download),
      }
    },
  }
}
