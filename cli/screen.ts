import type { Writable } from 'node:stream'
import stringWidth from 'string-width'
import { padCells } from '../shared/bar-line.ts'
import { escapeJson, printable } from '../shared/format.ts'
import { createProgress, type Progress } from '../shared/progress.ts'

/** A stream that may be a terminal, and then has a size in cells. */
export type Stream = Writable & { isTTY?: boolean; columns?: number; rows?: number }

/** Where results and remarks go. All texts are made safe for a terminal here. */
export interface Screen {
  /** `--quiet`: nothing but results. */
  readonly quiet: boolean
  /** `--json`: the server's answer in place of a text. */
  readonly asJson: boolean
  /** Whether standard output is a terminal. */
  readonly interactive: boolean
  /** Whether `progress` shows anything. */
  readonly hasBars: boolean
  /** Bars on standard error, or nothing where that is no terminal. */
  readonly progress: Progress
  /** A line of the result, on standard output. */
  result: (line: string) => void
  /** One JSON document, on standard output. */
  json(document: unknown): void
  /** One JSON document of many, on a line of its own, on standard output. */
  jsonLine(document: unknown): void
  /** Rows with a heading for a terminal; elsewhere plain lines, their fields separated by tabs. */
  table(heading: readonly string[], rows: readonly (readonly string[])[]): void
  /** A remark on standard error. */
  note: (line: string) => void
}

export interface ScreenOptions {
  stdout: Stream
  stderr: Stream
  quiet: boolean
  asJson: boolean
}

/** A screen over the two streams. */
export function createScreen({ stdout, stderr, quiet, asJson }: ScreenOptions): Screen {
  const interactive = stdout.isTTY === true
  const progress = createProgress({ stream: (quiet ? { isTTY: false } : stderr) as NodeJS.WriteStream })
  const result = (line: string): void => void stdout.write(`${printable(line)}\n`)

  return {
    quiet,
    asJson,
    interactive,
    hasBars: !quiet && stderr.isTTY === true,
    progress,
    result,
    json: (document) => void stdout.write(`${escapeJson(JSON.stringify(document, null, 2))}\n`),
    jsonLine: (document) => void stdout.write(`${escapeJson(JSON.stringify(document))}\n`),
    table(heading, rows) {
      if (!interactive) return rows.forEach((row) => void stdout.write(`${row.map(printable).join('\t')}\n`))
      if (rows.length > 0) for (const line of aligned([heading, ...rows])) result(line)
    },
    note(line) {
      if (quiet) return
      if (stderr.isTTY) progress.print(`${printable(line)}\n`)
      else stderr.write(`${printable(line)}\n`)
    },
  }
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const safe = rows.map((row) => row.map(printable))
  const widths = safe[0]?.map((_, column) => Math.max(...safe.map((row) => stringWidth(row[column] ?? '')))) ?? []
  return safe.map((row) =>
    row
      .map((cell, at) => padCells(cell, widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
