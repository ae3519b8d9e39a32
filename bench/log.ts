import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import type { Part } from './bench.ts'
import { lacksNet, limitOf, linkName, parseLink, startLink } from './link.ts'
import { writeLogFile } from './log-file.ts'
import { count } from './options.ts'
import { backhaul } from './peers/backhaul.ts'
import { judge, rounded, table } from './report.ts'
import { MiB } from './source.ts'
import { median, ofRuns } from './statistics.ts'
import { transfer, type Transfer } from './transfer.ts'

interface Options {
  mib: number
  link: string
  runs: number
}

/** Times faster than the size of the file allows on the link. */
const BOUND = 5

export const log: Part<Options> = {
  name: 'log',
  description: 'a log file over a slow link, against the time that its size would take there',

  declare: (command) =>
    command
      .option('--mib <N>', 'size of the file in MiB', count, 25)
      .option('--link <LINK>', 'Mbit/s, ms of a round trip and per cent lost', linkName, '10/40/0')
      .option('--runs <N>', 'runs', count, 3),

  room: ({ mib }) => 2.5 * mib * MiB,
  lacks: lacksNet,

  async run({ folder, net = '', signal, say }, { mib, link: name, runs }) {
    const link = parseLink(name)
    const source = await writeLogFile(join(folder, 'till.log'), mib * MiB)
    const compressed = source.size / zstdCompressSync(await readFile(source.path)).length
    const results: Transfer[] = []
    for (let run = 1; run <= runs; run += 1) {
      const line = await startLink(link, net)
      try {
        const result = await transfer(backhaul, { place: line.place, source, folder, signal })
        results.push(result)
        say(`log, run ${run} of ${runs}: ${rounded(result.seconds)} s`)
      } finally {
        await line.down()
      }
    }
    const limit = limitOf(link, source.size)
    const seconds = median(results.map((result) => result.seconds))
    return {
      name: 'log',
      title: 'A log file over a slow link',
      about:
        `A log of ${mib} MiB, of which zstd makes 1/${compressed.toFixed(1)}, from a site behind NAT over ${link.rateMbit} Mbit/s with a round trip of ${link.rttMs} ms; ` +
        `${ofRuns(runs)}. Without compression no program can be faster than the file's size ÷ the rate.`,
      tables: [
        table(
          ['', 'seconds', 'times faster'],
          [
            ['size ÷ rate', limit.toFixed(1), '1.00'],
            [backhaul.title, seconds.toFixed(1), rounded(limit / seconds)],
          ],
        ),
      ],
      verdicts: [judge('times faster than its size ÷ the rate', limit / seconds, 'at least', BOUND)],
      leftOut: [],
      panels: [],
      runs: results,
    }
  },
}
