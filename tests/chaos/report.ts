import { formatBytes } from '../../shared/format.ts'
import type { Download } from '../../shared/operator.ts'
import { faultNames, type FaultName } from './plan/faults.ts'
import type { Outcome } from './run.ts'

/** The outcome for people, in Markdown. @param without faults that could not be made here, with what they need */
export function reportOf(outcome: Outcome, without: ReadonlyMap<FaultName, string>): string {
  const { plan, asked, bytes, wrong, seconds } = outcome
  const lines = [
    `Seed ${plan.seed}: ${plan.scale.clients} clients, ${asked.length} requests, ${outcome.faults.length} faults in ${plan.scale.seconds} s; everything had ended after ${seconds.toFixed(0)} s.`,
    '',
    ...table(['fault', 'times', 'seconds'], faultRows(outcome)),
    '',
    ...table(['outcome of a request', 'requests'], outcomeRows(outcome.downloads)),
    '',
    ...table(
      ['bytes', ''],
      [
        ['of completed files', formatBytes(bytes.completed)],
        ["sent over the clients' lines", formatBytes(bytes.sent)],
        ['sent twice, or for nothing', formatBytes(bytes.twice)],
        ['of these counted by the server (`bytesResent`)', formatBytes(bytes.resent)],
        ['sent twice at most: faults × chunks in flight, and attempts given up', formatBytes(bytes.bound)],
      ],
    ),
    '',
    ...[...without].map(([name, why]) => `Left out: ${name} (${why}).`),
  ]
  const verdict =
    wrong.length === 0
      ? ['Nothing was lost, and every reason is true.']
      : [`LOST OR UNTRUE (${wrong.length}):`, ...wrong.map((what) => `- ${what}`)]
  return `${[...lines, ...verdict].join('\n')}\n`
}

function table(head: string[], rows: string[][]): string[] {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)]
}

function faultRows({ faults }: Outcome): string[][] {
  return faultNames.flatMap((name) => {
    const made = faults.filter((fault) => fault.name === name)
    const seconds = made.reduce((sum, { forMs }) => sum + forMs / 1000, 0)
    return made.length === 0 ? [] : [[name, String(made.length), seconds > 0 ? seconds.toFixed(1) : '']]
  })
}

function outcomeRows(downloads: readonly Download[]): string[][] {
  const counts = new Map<string, number>()
  for (const { status, reason } of downloads) {
    const name = status === 'failed' ? `failed: ${reason}` : status
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => [name, String(count)])
}

/** The outcome for machines. */
export function summaryOf({ plan, faults, downloads, bytes, wrong, seconds, asked }: Outcome): Record<string, unknown> {
  const outcomes = Object.fromEntries(outcomeRows(downloads).map(([name, count]) => [name, Number(count)]))
  const made = faults.map(({ name, atMs, client, forMs }) => ({ name, atMs, client, forMs }))
  return { seed: plan.seed, ok: wrong.length === 0, seconds, asked: asked.length, outcomes, bytes, faults: made, wrong }
}
