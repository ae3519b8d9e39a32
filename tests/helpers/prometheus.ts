import { join } from 'node:path'
import { writeRandom } from './folder.ts'
import type { Stack } from './stack.ts'

/** What Prometheus reads of a server. */
export async function metricsOf({ url }: { url: string }): Promise<string> {
  const response = await fetch(`${url}/metrics`)
  if (!response.ok) throw new Error(`the metrics were answered ${response.status}`)
  return response.text()
}

/** The value of one series, named as it stands there; undefined when it is not there. */
export function valueOf(metrics: string, series: string): number | undefined {
  const line = metrics.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

/** The names of all series: of a histogram with `_bucket`, `_sum` and `_count`. */
export function seriesNames(metrics: string): Set<string> {
  return new Set([...metrics.matchAll(/^([a-z]\w*)[{ ]/gm)].map(([, name = '']) => name))
}

/** The names of our metrics, and those of the process, in PromQL. */
export function namesIn(promql: string): Set<string> {
  return new Set(promql.match(/\b(?:backhaul|process|nodejs)_\w+/g))
}

/** Fetches a file of so many bytes from an agent of its own. @returns the download */
export async function transfer(stack: Stack, clientId: string, size: number) {
  const file = join(stack.folder, `${clientId}.bin`)
  await writeRandom(file, size)
  await stack.online(clientId, ['--file', file])
  const { id } = await stack.ask({ clientId })
  return stack.reached(id, 'completed')
}
