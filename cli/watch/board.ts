import { finalStatuses, type Status } from '../../shared/protocol.ts'
import type { Download } from '../../shared/operator.ts'
import type { Cut, News } from './changes.ts'

/** A download, and how fast it comes. */
export interface Row {
  download: Download
  /** Bytes per second over the last seconds; NaN while that is not known. */
  rate: number
}

/** All that the table shows. */
export interface Picture {
  /** Those that come first are older; of those that have ended, newer. */
  moving: Row[]
  queued: Row[]
  ended: Row[]
  online: number | undefined
  /** Of those that have ended since this began, by status. */
  counts: ReadonlyMap<Status, number>
  /** Where there are more than these. */
  cut: Cut
  /** Why the server cannot be asked; undefined while it can. */
  away: string | undefined
}

export interface Board {
  /** @param now ms of a clock that only goes forward */
  apply(news: News, now: number): void
  picture(): Picture
}

/** More have no room in any window. */
const ENDED_KEPT = 200
/** A rate is that of so many ms: shorter is restless, longer is old. */
const RATE_OVER = 5000

/** What is under way and what has just ended, by what `apply` is told. */
export function createBoard(): Board {
  const open = new Map<string, Download>()
  const ended = new Map<string, Download>()
  const rates = createRates()
  const counts = new Map<Status, number>()
  let online: number | undefined
  let cut: Cut = { queued: false, moving: false }
  let away: string | undefined

  const close = (download: Download): void => {
    ended.delete(download.id)
    ended.set(download.id, download)
    const [oldest] = ended.keys()
    if (ended.size > ENDED_KEPT && oldest !== undefined) ended.delete(oldest)
  }
  const rowsOf = (downloads: Iterable<Download>): Row[] =>
    [...downloads].map((download) => ({ download, rate: rates.of(download.id) }))

  return {
    apply(news, now) {
      away = news.kind === 'away' ? news.error.message : undefined
      if (news.kind === 'away') return
      for (const { before, value } of news.changes) {
        const isFinal = finalStatuses.includes(value.status)
        if (!isFinal) ended.delete(value.id)
        else if (before?.status !== value.status) {
          close(value)
          counts.set(value.status, (counts.get(value.status) ?? 0) + 1)
        }
        if (isFinal) open.delete(value.id)
        else open.set(value.id, value)
      }
      for (const id of news.dropped) open.delete(id)
      rates.look([...open.values()].filter(isMoving), now)
      online = news.online
      cut = news.cut
    },
    picture() {
      const all = rowsOf(open.values()).toSorted((one, other) => (startOf(one) < startOf(other) ? -1 : 1))
      return {
        moving: all.filter(({ download }) => isMoving(download)),
        queued: all.filter(({ download }) => !isMoving(download)),
        ended: rowsOf(ended.values()).toReversed(),
        online,
        counts,
        cut,
        away,
      }
    },
  }
}

const isMoving = ({ status }: Download): boolean => status === 'transferring' || status === 'verifying'

const startOf = ({ download }: Row): string => download.startedAt ?? download.createdAt

/** Rates of those that move, by how much of them was there when. */
function createRates(): { look(moving: readonly Download[], now: number): void; of(id: string): number } {
  let samples = new Map<string, { at: number; bytes: number }[]>()
  return {
    look(moving, now) {
      samples = new Map(
        moving.map(({ id, bytesReceived: bytes }) => {
          const before = (samples.get(id) ?? []).filter(
            (sample) => now - sample.at <= RATE_OVER && sample.bytes <= bytes,
          )
          return [id, [...before, { at: now, bytes }]]
        }),
      )
    },
    of(id) {
      const of = samples.get(id) ?? []
      const [first, last] = [of.at(0), of.at(-1)]
      if (!first || !last || first === last) return Number.NaN
      return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000
    },
  }
}
