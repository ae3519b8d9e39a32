import { barCells, clipCells, padCells } from '../../shared/bar-line.ts'
import { formatBytes, formatSeconds, printable } from '../../shared/format.ts'
import type { Download } from '../../shared/operator.ts'
import { finalStatuses, type Status } from '../../shared/protocol.ts'
import { duration, fileOf, percent } from '../describe.ts'
import type { Picture, Row } from './board.ts'

/** What a window shows: its size in cells, which downloads, and since when. */
export interface View {
  columns: number
  rows: number
  wanted: readonly Status[]
  /** For people, as `16:20:05`. */
  since: string
}

interface Column {
  title: string
  width: number
  cell: (row: Row) => string
}

const GAP = '  '
const LONGEST_ID = 24
/** Fewer cells are no name of a file any more: something else is left out. */
const SHORTEST_FILE = 12

const bar: Column = { title: 'PROGRESS', width: 10, cell: ({ download }) => barOf(download) }
const done: Column = {
  title: '',
  width: 5,
  cell: ({ download }) => (download.progress === null ? '' : percent(download)),
}
const rate: Column = { title: 'RATE', width: 12, cell: (row) => rateOf(row) }
const left: Column = { title: 'LEFT', width: 11, cell: (row) => leftOf(row) }
/** From a wide window to a narrow one. */
const tails: readonly (readonly Column[])[] = [[bar, done, rate, left], [done, rate, left], [done, rate], [done]]

/** The lines of a window, none wider and no more than fit; what they say is safe for a terminal. */
export function tableLines(picture: Picture, view: View): string[] {
  // One cell stays free: some terminals wrap at the last one.
  const columns = view.columns - 1
  const room = Math.max(0, view.rows - 3)
  const groups = [picture.moving, picture.queued, picture.ended].map((rows) =>
    rows.filter(({ download }) => view.wanted.includes(download.status)),
  )
  const rows = chosen(groups, room)
  const lines = rows.length > 0 ? body(rows, columns) : ['Nothing is under way.']
  const remark = picture.away ?? moreOf(groups.flat().length - rows.length, picture.isCut)
  return [header(picture, view.since), ...lines, ...(remark === undefined ? [] : [remark])]
    .slice(0, view.rows)
    .map((line) => clipCells(printable(line), columns).trimEnd())
}

/** What moves comes first, but up to a third is for what has ended: that is news. */
function chosen([moving = [], queued = [], ended = []]: readonly Row[][], room: number): Row[] {
  const open = [...moving, ...queued]
  const forEnded = Math.min(ended.length, Math.max(Math.floor(room / 3), room - open.length))
  return [...open.slice(0, room - forEnded), ...ended.slice(0, forEnded)]
}

function header({ moving, queued, online, counts, isCut }: Picture, since: string): string {
  const more = isCut ? '+' : ''
  const ends = finalStatuses
    .filter((status) => status === 'completed' || status === 'failed' || counts.has(status))
    .map((status) => `${counts.get(status) ?? 0} ${status}`)
  const sites = online === undefined ? [] : [`${online} ${online === 1 ? 'site' : 'sites'} online`]
  return [
    ...sites,
    `${queued.length}${more} queued`,
    `${moving.length}${more} running`,
    `${ends.join(', ')} since ${since}`,
  ].join(GAP + ' ')
}

function moreOf(count: number, isCut: boolean): string | undefined {
  if (count === 0) return isCut ? 'There are more under way.' : undefined
  return `${count} more${isCut ? ', and others under way' : ''}`
}

function body(rows: readonly Row[], columns: number): string[] {
  const widest = (title: string, texts: readonly string[]): number =>
    Math.max(title.length, ...texts.map((text) => Array.from(text).length))
  const status = widest(
    'STATUS',
    rows.map(({ download }) => download.status),
  )
  const client = Math.min(
    LONGEST_ID,
    widest(
      'CLIENT',
      rows.map(({ download }) => download.clientId),
    ),
  )
  const before = status + client + 2 * GAP.length
  const fileWith = (tail: readonly Column[]): number => columns - before - widthOf(tail) - GAP.length
  const tail = tails.find((one) => fileWith(one) >= SHORTEST_FILE) ?? [done]
  const file = Math.max(1, fileWith(tail))
  const line = (cells: readonly string[], rest: string): string =>
    [
      ...[status, client, file].map((width, at) => padCells(clipCells(printable(cells[at] ?? ''), width), width)),
      rest,
    ].join(GAP)
  return [
    line(['STATUS', 'CLIENT', 'FILE'], tail.map(({ title, width }) => title.padEnd(width)).join(GAP)),
    ...rows.map((row) => {
      const { download } = row
      const rest = finalStatuses.includes(download.status)
        ? outcome(download)
        : tail.map(({ cell, width }) => padCells(cell(row), width)).join(GAP)
      return line([download.status, download.clientId, fileOf(download)], rest)
    }),
  ]
}

function widthOf(tail: readonly Column[]): number {
  return tail.reduce((sum, { width }) => sum + width, 0) + GAP.length * (tail.length - 1)
}

function outcome(download: Download): string {
  const { status, size, reason, detail } = download
  if (status === 'completed')
    return [size === null ? [] : formatBytes(size), duration(download) ?? []].flat().join(', ')
  return [reason ?? [], detail ?? []].flat().join(': ')
}

function barOf({ size, bytesReceived }: Download): string {
  return size === null ? '' : barCells(size > 0 ? Math.min(1, bytesReceived / size) : 1, bar.width)
}

function rateOf({ rate: perSecond }: Row): string {
  return Number.isNaN(perSecond) ? '' : `${formatBytes(Math.round(perSecond))}/s`
}

function leftOf({ download: { size, bytesReceived }, rate: perSecond }: Row): string {
  return size === null || !(perSecond > 0) ? '' : formatSeconds((size - bytesReceived) / perSecond)
}
