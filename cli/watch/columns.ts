import stringWidth from 'string-width'
import { barCells, clipCells, padCells } from '../../shared/bar-line.ts'
import { formatBytes, formatSeconds, printable } from '../../shared/format.ts'
import type { Download } from '../../shared/operator.ts'
import { finalStatuses } from '../../shared/protocol.ts'
import { duration, fileOf, percent } from '../describe.ts'
import type { Row } from './board.ts'

interface Column {
  title: string
  /** Cells that it has at least, so that those behind it do not move with every look. */
  least: number
  /** Cells that it has at most. */
  most: number
  cell(row: Row, width: number): string
}

const GAP = '  '
/** A name that is cut to fewer cells is none any more: something else is left out. */
const SHORTEST_FILE = 8
const WIDEST_BAR = 24

const status: Column = { title: 'STATUS', least: 12, most: 12, cell: ({ download }) => download.status }
const client: Column = { title: 'CLIENT', least: 6, most: 24, cell: ({ download }) => download.clientId }
const file: Column = { title: 'FILE', least: 4, most: Infinity, cell: ({ download }) => printable(fileOf(download)) }
const bar: Column = { title: 'PROGRESS', least: 8, most: 8, cell: ({ download }, width) => barOf(download, width) }
const done: Column = { title: '', least: 5, most: 5, cell: ({ download }) => doneOf(download) }
const rate: Column = { title: 'RATE', least: 10, most: 12, cell: rateOf }
const left: Column = { title: 'LEFT', least: 10, most: 11, cell: leftOf }
/** What comes after the file, from a wide window to a narrow one. */
const tails: readonly (readonly Column[])[] = [[bar, done, rate, left], [done, rate, left], [done, rate], [done]]

/** The rows under their heading, each in so many cells; of those that have ended, how, in place of how far they are. */
export function columnLines(rows: readonly Row[], cells: number): string[] {
  const widthOf = ({ title, least, most, cell }: Column): number =>
    Math.min(most, Math.max(least, title.length, ...rows.map((row) => stringWidth(cell(row, least)))))
  const head = [status, client].map((column) => ({ column, width: widthOf(column) }))
  const longest = widthOf(file)
  const roomWith = (columns: readonly Column[]): number =>
    cells -
    [...head, ...columns.map((column) => ({ width: widthOf(column) }))].reduce(
      (sum, { width }) => sum + width + GAP.length,
      0,
    )
  const chosen = tails.find((one) => roomWith(one) >= Math.min(longest, SHORTEST_FILE)) ?? [done]
  const room = Math.max(1, roomWith(chosen))
  const names = [...head, { column: file, width: Math.min(room, longest) }]
  // A bar is finer where there is room.
  const spare = Math.min(Math.max(0, room - longest), WIDEST_BAR - bar.least)
  const tail = chosen.map((column) => ({ column, width: widthOf(column) + (column === bar ? spare : 0) }))

  const line = (texts: readonly string[], rest: string): string =>
    clipCells(
      [...names.map(({ width }, at) => padCells(clipCells(texts[at] ?? '', width), width)), rest].join(GAP),
      cells,
    )
  return [
    line(
      names.map(({ column }) => column.title),
      tail.map(({ column, width }) => padCells(column.title, width)).join(GAP),
    ),
    ...rows.map((row) =>
      line(
        names.map(({ column, width }) => column.cell(row, width)),
        finalStatuses.includes(row.download.status)
          ? printable(outcome(row.download))
          : tail.map(({ column, width }) => padCells(column.cell(row, width), width)).join(GAP),
      ),
    ),
  ]
}

function outcome(download: Download): string {
  const { size, reason, detail } = download
  if (download.status !== 'completed') return [reason, detail].filter((text) => text !== null).join(': ')
  return [size === null ? null : formatBytes(size), duration(download)].filter((text) => text !== null).join(', ')
}

function barOf({ size, bytesReceived }: Download, width: number): string {
  return size === null ? '' : barCells(size > 0 ? Math.min(1, bytesReceived / size) : 1, width)
}

function doneOf(download: Download): string {
  return download.progress === null ? '' : percent(download)
}

function rateOf({ rate: perSecond }: Row): string {
  return Number.isNaN(perSecond) ? '' : `${formatBytes(Math.round(perSecond))}/s`
}

function leftOf({ download: { size, bytesReceived }, rate: perSecond }: Row): string {
  return size === null || !(perSecond > 0) ? '' : formatSeconds((size - bytesReceived) / perSecond)
}
