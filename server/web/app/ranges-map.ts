/** A piece of a file, half open, in bytes. */
export interface Piece {
  start: number
  end: number
}

/** A bar of the picture, in its own units. */
export interface Bar {
  x: number
  y: number
  width: number
}

/** Rows of the picture, from the file's first byte at the upper left to its last at the lower right. */
export const ROWS = 8
/** Units. */
export const WIDTH = 1_000
export const ROW_HEIGHT = 14
/** Units: what is smaller would not be seen. */
const THINNEST = 1.5

/**
 * Pieces as bars, row by row. Those of one kind that touch become one.
 * @param size of the file in bytes, more than 0
 */
export function barsOf(pieces: readonly Piece[], size: number, rows = ROWS): Bar[] {
  const perRow = size / rows
  const bars: Bar[] = []
  for (const { start, end } of pieces) {
    const last = Math.min(rows - 1, Math.ceil(end / perRow) - 1)
    for (let row = Math.floor(start / perRow); row <= last; row += 1) {
      const from = Math.max(start - row * perRow, 0) / perRow
      const to = Math.min(end - row * perRow, perRow) / perRow
      add(bars, { x: from * WIDTH, y: row * ROW_HEIGHT, width: Math.max((to - from) * WIDTH, THINNEST) })
    }
  }
  return bars
}

/** Thousands of pieces are not thousands of elements where one looks like another. */
function add(bars: Bar[], bar: Bar): void {
  const before = bars.at(-1)
  if (before?.y === bar.y && bar.x <= before.x + before.width) {
    before.width = Math.max(before.width, bar.x + bar.width - before.x)
  } else bars.push(bar)
}

export const lengthOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { start, end }) => sum + end - start, 0)
