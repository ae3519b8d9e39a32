import stringWidth from 'string-width'
import { formatBytes, formatSeconds } from './format.ts'

const WIDEST_BAR = 24
const NARROWEST_BAR = 8
const SHORTEST_LABEL = 10

export interface BarState {
  label: string
  /** Bytes. */
  received: number
  size: number
  /** Bytes per second. */
  rate: number
  /** Cells of the terminal's width; 80 where it is not known. */
  columns: number | undefined
}

/** One line that fits the terminal: the numbers always, then the bar, and of the label what is left. */
export function barLine({ label, received, size, rate, columns = 80 }: BarState): string {
  const share = size > 0 ? Math.min(received / size, 1) : 1
  const left = formatSeconds(rate > 0 ? (size - received) / rate : Number.NaN)
  const numbers = `${Math.floor(share * 100)}% ${formatBytes(received)} of ${formatBytes(size)}  ${formatBytes(Math.round(rate))}/s  ${left} left`
  // One cell stays free: some terminals wrap at the last one.
  const room = columns - 1 - numbers.length - ' [] '.length
  const wanted = Math.min(stringWidth(label), Math.max(SHORTEST_LABEL, room - WIDEST_BAR))
  const cells = Math.min(WIDEST_BAR, room - wanted)
  if (cells < NARROWEST_BAR) return `${clipCells(label, Math.max(0, columns - 2 - numbers.length))} ${numbers}`
  return `${clipCells(label, wanted)} [${barCells(share, cells)}] ${numbers}`
}

/** A bar of so many cells, filled to `share`, 0 to 1. */
export function barCells(share: number, cells: number): string {
  const done = Math.round(share * cells)
  return '█'.repeat(done) + '░'.repeat(cells - done)
}

/** A text with spaces behind it, so many cells wide at least. */
export function padCells(text: string, cells: number): string {
  return text + ' '.repeat(Math.max(0, cells - stringWidth(text)))
}

/** The first characters of a text that fit into so many cells; wide characters take two. */
export function clipCells(text: string, cells: number): string {
  if (stringWidth(text) <= cells) return text
  let clipped = ''
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(clipped + segment) > cells - 1) break
    clipped += segment
  }
  return cells > 0 ? `${clipped}…` : ''
}
