import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench, Part } from './bench.ts'
import { LINE, sendFromMany, type Crowd } from './crowd.ts'
import type { Measured } from './meter.ts'
import { count } from './options.ts'
import { backhaul } from './peers/backhaul.ts'
import { loopback as place } from './peers/peer.ts'
import { judge, rounded, table, type Verdict } from './report.ts'
import { MiB, writeHole, writeRandomFile, type Source } from './source.ts'
import { transfer, type Transfer } from './transfer.ts'

interface Options {
  mib: number
  sparse: boolean
  uploads: number
  each: number
}

const MB = 1e6
const SMALL = 100 * MB
/** The large file may take so much more memory than the small one, for caches fill at first. */
const FLAT = 1.25

export const memory: Part<Options> = {
  name: 'memory',
  description: 'resident memory of both ends: a small file and a very large one, and many uploads at once',

  declare: (command) =>
    command
      .option('--mib <N>', 'size of the large file in MiB', count, 10_240)
      .option('--sparse', 'the large file is a hole, which takes no room at the sender', false)
      .option('--uploads <N>', 'uploads at once into one server', count, 50)
      .option('--each <N>', 'size of each of them in MiB', count, 20),

  room: ({ mib, sparse, uploads, each }) => Math.max((sparse ? 1.1 : 2.1) * mib, 1.1 * (uploads + 1) * each) * MiB,

  async run(bench, { mib, sparse, uploads, each }) {
    const small = await alone(bench, (path) => writeRandomFile(path, SMALL))
    const large = await alone(bench, (path) => (sparse ? writeHole : writeRandomFile)(path, mib * MiB))
    const many = await crowd(bench, uploads, each)
    const largeTitle = `${rounded(mib / 1024)} GiB${sparse ? ', sparse' : ''}`
    return {
      name: 'memory',
      title: 'Memory',
      about:
        `The kernel's high-water mark of resident memory (VmHWM), from the start of a process on: a file of 100 MB, one of ${largeTitle}, and ${uploads} of ${each} MiB ` +
        `at once from ${uploads} agents into one server, each over a line of ${LINE / MB} MB/s (${many.atOnce} were seen under way at a time). The course is the highest of each tenth of the time.`,
      tables: [
        table(
          ['', 'seconds', 'peak MB', 'CPU s', 'course, MB'],
          [
            ...rowsOf('100 MB', small),
            ...rowsOf(largeTitle, large),
            rowOf(`${uploads} uploads, server`, many.seconds, many.server),
            rowOf(`${uploads} uploads, largest agent`, many.seconds, largest(many.agents)),
          ],
        ),
      ],
      verdicts: verdictsOf({ small, large, many, uploads }),
      leftOut: [],
      panels: [],
      runs: { small, large, many },
    }
  },
}

/** One file alone; it is gone afterwards, to make room. */
async function alone({ folder, signal, say }: Bench, write: (path: string) => Promise<Source>): Promise<Transfer> {
  const path = join(folder, 'file')
  try {
    const source = await write(path)
    say(`memory: a file of ${Math.round(source.size / MB)} MB`)
    return await transfer(backhaul, { place, source, folder, signal })
  } finally {
    await rm(path, { force: true })
  }
}

async function crowd({ folder, signal, say }: Bench, uploads: number, each: number): Promise<Crowd> {
  const source = await writeRandomFile(join(folder, 'file'), each * MiB)
  signal.throwIfAborted()
  say(`memory: ${uploads} uploads of ${each} MiB at once`)
  return sendFromMany(folder, source, uploads)
}

const largest = (all: readonly Measured[]): Measured => all.reduce((most, one) => (one.peak > most.peak ? one : most))

const rowsOf = (title: string, { seconds, server, client }: Transfer): string[][] => [
  rowOf(`${title}, server`, seconds, server),
  rowOf(`${title}, agent`, seconds, client),
]

const rowOf = (title: string, seconds: number, { peak, cpu, course }: Measured): string[] => [
  title,
  seconds.toFixed(1),
  megabytes(peak),
  cpu.toFixed(1),
  course.map(megabytes).join(' '),
]

const megabytes = (bytes: number): string => (bytes / MB).toFixed(0)

interface Results {
  small: Transfer
  large: Transfer
  many: Crowd
  uploads: number
}

function verdictsOf({ small, large, many, uploads }: Results): Verdict[] {
  const agents = [small.client, large.client, ...many.agents].map(({ peak }) => peak / MB)
  return [
    judge('under way at a time', many.atOnce, 'at least', uploads, 'uploads'),
    judge(`server with ${uploads} uploads at once`, many.server.peak / MB, 'at most', 200, 'MB'),
    judge('agent, the largest of all', Math.max(...agents), 'at most', 120, 'MB'),
    judge('server, large file ÷ small file', large.server.peak / small.server.peak, 'at most', FLAT),
    judge('agent, large file ÷ small file', large.client.peak / small.client.peak, 'at most', FLAT),
  ]
}
