import { join } from 'node:path'
import type { Part } from './bench.ts'
import { callsOf, type Call } from './growth/calls.ts'
import { fill } from './growth/fill.ts'
import { clientsFor } from './growth/rows.ts'
import { count } from './options.ts'
import { judge, rounded, table } from './report.ts'
import { startBenchStack, type BenchStack } from './stack.ts'
import { median } from './statistics.ts'

interface Options {
  few: number
  many: number
  runs: number
}

/** Calls of each kind that are made before any is counted. */
const WARM_UP = 10
const BYTES_PER_DOWNLOAD = 1500

/** The times of a call, in ms: with few downloads, and with many. */
type Times = readonly [few: number[], many: number[]]

export const growth: Part<Options> = {
  name: 'growth',
  description: 'what calls cost with a thousand downloads, and with a million',

  declare: (command) =>
    command
      .option('--few <N>', 'downloads in the small database', count, 1000)
      .option('--many <N>', 'downloads in the large one', count, 1_000_000)
      .option('--runs <N>', 'calls of each kind', count, 200),

  room: ({ many }) => many * BYTES_PER_DOWNLOAD,

  async run({ folder, signal, say }, { few, many, runs }) {
    const stacks: BenchStack[] = []
    try {
      const calls: Call[][] = []
      for (const downloads of [few, many]) {
        say(`growth: ${downloads} downloads`)
        const stack = await startBenchStack({
          folder: join(folder, String(downloads)),
          fill: (made) => fill(join(made, 'db'), downloads),
        })
        stacks.push(stack)
        calls.push(await callsOf(stack.url, downloads))
      }
      const [callsOfFew = [], callsOfMany = []] = calls
      const times: Times[] = callsOfFew.map(() => [[], []])
      for (let run = -WARM_UP; run < runs; run += 1) {
        signal.throwIfAborted()
        for (const [index, call] of callsOfFew.entries()) {
          const both = [await timeOf(call), await timeOf(callsOfMany[index]!)]
          if (run >= 0) times[index]!.forEach((list, end) => list.push(both[end]!))
        }
      }
      const medians = times.map(([a, b]) => [median(a), median(b)] as const)
      const bounded = medians.filter((_, index) => callsOfFew[index]!.bounded)
      const sum = (end: 0 | 1): number => bounded.reduce((total, each) => total + each[end], 0)
      const row = (name: string, small: number, large: number): string[] => [
        name,
        small.toFixed(2),
        large.toFixed(2),
        rounded(large / small),
      ]
      return {
        name: 'growth',
        title: 'A million downloads',
        about:
          `Two servers side by side: one has ${few} downloads of ${clientsFor(few)} clients in its database, the other ${many} of ${clientsFor(many)}. ` +
          `Each call in turn to both, one at a time over one connection; medians of ${runs}, from the request to the end of the answer. ` +
          'Lists are pages of 20.',
        tables: [
          table(
            ['ms', `${few}`, `${many}`, 'ratio'],
            [
              ...medians.map(([small, large], index) => row(callsOfFew[index]!.name, small, large)),
              row('**queue + poll + list**', sum(0), sum(1)),
            ],
          ),
        ],
        verdicts: [judge('queue + poll + list', sum(1) / sum(0), 'at most', 1.3)],
        leftOut: [],
        panels: [],
        runs: callsOfFew.map(({ name }, index) => ({ name, times: times[index] })),
      }
    } finally {
      await Promise.all(stacks.map((stack) => stack.stop()))
    }
  },
}

async function timeOf(call: Call): Promise<number> {
  const from = performance.now()
  await call.make()
  return performance.now() - from
}
