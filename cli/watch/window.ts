import type { Stream } from '../screen.ts'

const ESC = '\u001b['
/** A screen beside the one with the shell's history, which is as it was when this one is left; as pagers and editors have it. */
const enter = `${ESC}?1049h${ESC}?25l`
const leave = `${ESC}?25h${ESC}?1049l`
const toTopLeft = `${ESC}H`
const clearRight = `${ESC}K`
const clearBelow = `${ESC}J`

/** ms between two frames at least: a window that is dragged changes its size all the time. */
const PACE = 200
/** Where a terminal does not say. */
const usualSize = { columns: 80, rows: 24 }

/** A whole terminal whose lines are drawn in place. */
export interface Window {
  draw(): void
  /** Gives the terminal back as it was. */
  close(): void
}

export interface WindowOptions {
  stdout: Stream
  /** Closes it at once: the process may be gone before anybody comes to `close`. */
  signal: AbortSignal
  /** What it shows in so many cells; they must fit, and be safe. */
  lines: (size: { columns: number; rows: number }) => string[]
}

/** Takes a terminal over, cursor hidden, until `close` or the signal; drawn again by itself when its size changes. */
export function openWindow({ stdout, signal, lines }: WindowOptions): Window {
  let drawnAt = -Infinity
  let later: NodeJS.Timeout | undefined
  let isOpen = true

  const frame = (): void => {
    later = undefined
    // A terminal that was stopped is not fed: the next frame says all of it.
    if (stdout.writableNeedDrain) return
    drawnAt = performance.now()
    const size = { columns: stdout.columns || usualSize.columns, rows: stdout.rows || usualSize.rows }
    const text = lines(size)
      .map((line) => line + clearRight)
      .join('\r\n')
    stdout.write(toTopLeft + text + clearBelow)
  }
  const draw = (): void => {
    if (isOpen) later ??= setTimeout(frame, Math.max(0, drawnAt + PACE - performance.now()))
  }

  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    clearTimeout(later)
    stdout.off('resize', draw)
    signal.removeEventListener('abort', close)
    stdout.write(leave)
  }

  stdout.write(enter)
  stdout.on('resize', draw)
  signal.addEventListener('abort', close)
  return { draw, close }
}
