import { clipCells } from '../../shared/bar-line.ts'
import { printable } from '../../shared/format.ts'
import { finalStatuses, type Status } from '../../shared/protocol.ts'
import type { Picture, Row } from './board.ts'
import { columnLines } from './columns.ts'

/** What a window shows: its size in cells, which downloads, and since when. */
export interface View {
  columns: number
  rows: number
  wanted: readonly Status[]
  /** For people, as `16:20:05`. */
  since: string
}

/** Lines that are no rows: the header, the heading, and the remark at the end. */
const AROUND = 3

/** The lines of a window, none wider and no more than fit; what they say is safe for a terminal. */
export function tableLines(picture: Picture, { columns, rows, wanted, since }: View): string[] {
  // One cell stays free: some terminals wrap at the last one.
  const cells = columns - 1
  const groups = [picture.moving, picture.queued, picture.ended].map((all) =>
    all.filter(({ download }) => wanted.includes(download.status)),
  )
  const count = groups.flat().length
  const shown = chosen(groups, Math.max(0, rows - AROUND))
  const body = count > 0 ? columnLines(shown, cells) : ['Nothing to show.']
  const remark = picture.away ?? moreOf(picture, count - shown.length)
  return [header(picture, since), ...body, ...(remark === undefined ? [] : [remark])]
    .slice(0, rows)
    .map((line) => clipCells(printable(line), cells).trimEnd())
}

/** What moves comes first, but up to a third is for what has ended: that is news. */
function chosen([moving = [], queued = [], ended = []]: readonly Row[][], room: number): Row[] {
  const open = [...moving, ...queued]
  const forEnded = Math.min(ended.length, Math.max(Math.floor(room / 3), room - open.length))
  return [...open.slice(0, room - forEnded), ...ended.slice(0, forEnded)]
}

function header({ moving, queued, online, counts, cut }: Picture, since: string): string {
  const ends = finalStatuses
    .filter((status) => status === 'completed' || status === 'failed' || counts.has(status))
    .map((status) => `${counts.get(status) ?? 0} ${status}`)
  return [
    ...(online === undefined ? [] : [`${online} ${online === 1 ? 'site' : 'sites'} online`]),
    `${queued.length}${cut.queued ? '+' : ''} queued`,
    `${moving.length}${cut.moving ? '+' : ''} running`,
    `${ends.join(', ')} since ${since}`,
  ].join('   ')
}

function moreOf({ cut }: Picture, hidden: number): string | undefined {
  const others = cut.queued || cut.moving ? 'older ones under way' : undefined
  if (hidden === 0) return others && `There are ${others}, too.`
  return `${hidden} more${others ? `, and ${others}` : ''}`
}
