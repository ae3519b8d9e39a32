import type { Panel } from './picture.ts'

/** What one part of the benchmark found. */
export interface Report {
  /** The part's name: `loopback`. */
  name: string
  title: string
  /** What was done, in a few sentences. */
  about: string
  /** Markdown tables. */
  tables: string[]
  verdicts: Verdict[]
  /** What was left out, and why. */
  leftOut: string[]
  /** The picture, if there is one. */
  panels: Panel[]
  /** Every single measurement, for machines. */
  runs: unknown
}

/** A number against its bound. */
export interface Verdict {
  what: string
  value: number
  sense: 'at least' | 'at most'
  bound: number
  /** `×`, `MB`, `uploads`. */
  unit: string
  ok: boolean
}

/** Judges a number; one that is not there (NaN) is short. */
export function judge(what: string, value: number, sense: Verdict['sense'], bound: number, unit = '×'): Verdict {
  const ok = sense === 'at least' ? value >= bound : value <= bound
  return { what, value, sense, bound, unit, ok }
}

/** A Markdown table; the first column is text, the others are numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

/** The tables, the verdicts and what was left out, without a heading. */
export function bodyOf({ about, tables, verdicts, leftOut }: Report): string {
  const bounds = table(
    ['bound', 'wanted', 'measured', ''],
    verdicts.map(({ what, value, sense, bound, unit, ok }) => [
      what,
      `${sense} ${bound} ${unit}`,
      Number.isNaN(value) ? '–' : `${Number.isInteger(value) ? value : rounded(value)} ${unit}`,
      ok ? 'ok' : '**short**',
    ]),
  )
  return [
    ...(about === '' ? [] : [about]),
    ...tables,
    ...(verdicts.length > 0 ? [bounds] : []),
    ...leftOut.map((text) => `Left out: ${text}.`),
  ].join('\n\n')
}

/** Three digits that count. */
export function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
