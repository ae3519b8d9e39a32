import { grouped, spanOf, type Range } from '../../shared/ranges.ts'
import type { Part } from '../byte-ports.ts'
import type { DownloadRecord, JobStore } from '../ports.ts'
import { partKey } from './part-key.ts'
import type { Reservations, Writing } from './reservations.ts'
import type { Resent } from './resent.ts'
import { sparingBy } from './sparing.ts'

/** Ranges of each kind: nobody sees more of them. */
const MOST_RANGES = 1_000
/** Attempts whose ranges are kept for those who ask again. */
const MOST_KEPT = 200

/** Where the bytes of an attempt are. All ranges are in order; of those being written, none is durable yet. */
export interface DownloadMap {
  received: Range[]
  /** At this server. */
  receiving: Writing[]
  /** As far as this server saw it. */
  resent: Range[]
  /** There are more ranges than are told: those with the smallest gaps between them are told as one. */
  joined: boolean
}

/** Pictures of attempts, for people. */
export interface Maps {
  /** What is received may be of a moment ago. */
  of(download: DownloadRecord): Promise<DownloadMap>
}

interface Few {
  ranges: Range[]
  joined: boolean
}

export function createMaps({
  jobs,
  reservations,
  resent,
}: {
  jobs: Pick<JobStore, 'received'>
  reservations: Pick<Reservations, 'writing'>
  resent: Pick<Resent, 'of'>
}): Maps {
  const kept = sparingBy<Few>(MOST_KEPT)

  const receivedOf = ({ id, attempt }: Part): Promise<Few> =>
    kept(partKey({ id, attempt }), async () => fewOf(await jobs.received(id, attempt)))

  return {
    async of(download) {
      // The rows go once the file has its name.
      if (download.status === 'completed')
        return { ...nothing, received: wholeOf(download), resent: resent.of(download) }
      // What was there is discarded.
      if (download.source === null) return nothing
      const { ranges, joined } = await receivedOf(download)
      const writing = reservations.writing(download).toSorted((a, b) => a.start - b.start)
      return {
        received: ranges,
        receiving: grouped(writing, MOST_RANGES).map(writingOf),
        resent: resent.of(download),
        joined: joined || writing.length > MOST_RANGES,
      }
    },
  }
}

const nothing: DownloadMap = { received: [], receiving: [], resent: [], joined: false }

function wholeOf({ size }: DownloadRecord): Range[] {
  return size === null || size === 0 ? [] : [{ start: 0, end: size }]
}

function fewOf(ranges: readonly Range[]): Few {
  return { ranges: grouped(ranges, MOST_RANGES).map(spanOf), joined: ranges.length > MOST_RANGES }
}

/** More bytes than the range has are refused, and not shown. */
function writingOf(group: readonly Writing[]): Writing {
  const bytes = group.reduce((sum, each) => sum + Math.min(each.bytes, each.end - each.start), 0)
  return { ...spanOf(group), bytes }
}
