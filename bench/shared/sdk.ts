import { startMeter } from '../meter.ts'
import { judge, rounded, table } from '../report.ts'
import { MiB } from '../source.ts'
import { median, ofRuns } from '../statistics.ts'
import type { Findings, Measure, SharedOptions } from './measurement.ts'
import type { Place } from './place.ts'
import { putBySdk, type Puts } from './sdk-puts.ts'
import { FULL, loadOf, startUploader, warmUp, type Step } from './uploads.ts'

/** Connections of the SDK: the best of these is what it counts with. */
const SDK_CONNECTIONS = [4, 16] as const

/** Chunks of each file before those that count. */
const WARM_UP = 4

/** What Backhaul's one server needed for the same bytes. */
interface Received {
  durable: Step & { server: number }
  completed: Step & { server: number }
}

interface Run {
  /** With each number of connections. */
  sdk: Puts[]
  backhaul: Received
}

/** The same bytes by the bare SDK and through one server, in turn. */
export const sdk: Measure = async ({ place, signal, say }, options) => {
  const { runs, chunkMib } = options
  const objects = (sizeOfEach(options) * options.files) / (chunkMib * MiB)
  const all: Run[] = []
  for (let run = 1; run <= runs; run += 1) {
    const puts: Puts[] = []
    for (const connections of SDK_CONNECTIONS) {
      signal.throwIfAborted()
      puts.push(await putBySdk({ objects, size: chunkMib * MiB, connections }))
    }
    signal.throwIfAborted()
    const found = { sdk: puts, backhaul: await receive(place, options) }
    all.push(found)
    say(
      `shared, sdk, run ${run} of ${runs}: durable ${rounded(durableOf(found))} ×, completed ${rounded(wholeOf(found))} ×`,
    )
  }
  return findingsOf(all, options)
}

/** Files of whole chunks that come to this many MiB together, or a little more. */
export const sizeOfEach = ({ mib, files, chunkMib }: Pick<SharedOptions, 'mib' | 'files' | 'chunkMib'>): number =>
  Math.max(1, Math.ceil(mib / files / chunkMib)) * chunkMib * MiB

async function receive(place: Place, options: SharedOptions): Promise<Received> {
  const servers = await place.start()
  try {
    const [server] = servers.all
    const { files, connections } = options
    const chunk = options.chunkMib * MiB
    const task = { urls: [server!.url], files, chunk, connections }
    await warmUp({ ...task, size: WARM_UP * chunk })
    const uploader = await startUploader({ ...task, size: sizeOfEach(options), complete: true })
    const metered = async (work: () => Promise<Step>): Promise<Step & { server: number }> => {
      const meter = await startMeter(server!.serverPid)
      const step = await work()
      return { ...step, server: (await meter.stop()).cpu }
    }
    try {
      return { durable: await metered(uploader.send), completed: await metered(uploader.complete) }
    } finally {
      await uploader.stop()
    }
  } finally {
    await servers.stop()
  }
}

const bestOf = ({ sdk: puts }: Run): number => Math.min(...puts.map(({ seconds }) => seconds))
const durableOf = (run: Run): number => bestOf(run) / run.backhaul.durable.seconds
const wholeOf = (run: Run): number => bestOf(run) / (run.backhaul.durable.seconds + run.backhaul.completed.seconds)

function findingsOf(runs: readonly Run[], options: SharedOptions): Findings {
  const { chunkMib, files, connections } = options
  const received = (sizeOfEach(options) * files) / MiB
  const of = (value: (run: Run) => number): number => median(runs.map(value))
  const perGib = (value: (run: Run) => number): string => rounded((of(value) / received) * 1024)
  const put = SDK_CONNECTIONS.map((count, index) => [
    `bare SDK, ${count} connections`,
    rounded(of(({ sdk: puts }) => received / puts[index]!.seconds)),
    '–',
    perGib(({ sdk: puts }) => puts[index]!.cpu),
    '–',
  ])
  const durable = of(durableOf)
  const completed = of(wholeOf)
  const load = of(({ backhaul }) => loadOf(backhaul.durable))
  const verdict = judge('durable chunks ÷ bare SDK', durable, 'at least', 0.8)
  return {
    about:
      `**Against the bare AWS SDK**: ${received} MiB in objects of ${chunkMib} MiB from memory, each with its MD5, put by the SDK in a process of its own with 4 and with 16 connections, ` +
      `whichever is faster; and the same through one server, ${files} files of as many agents over ${connections} connections in chunks of ${chunkMib} MiB. ` +
      `Durable: all chunks are acknowledged. Completed: read back, verified and composed, too. Each after a few that do not count. In turn; ${ofRuns(runs.length)}.`,
    tables: [
      table(
        ['', 'MiB/s', '÷ bare SDK', 'CPU s/GiB', 'uploader, cores'],
        [
          ...put,
          [
            '**Backhaul**, durable',
            rounded(of(({ backhaul }) => received / backhaul.durable.seconds)),
            rounded(durable),
            perGib(({ backhaul }) => backhaul.durable.server),
            rounded(load),
          ],
          [
            '**Backhaul**, completed',
            rounded(of(({ backhaul }) => received / (backhaul.durable.seconds + backhaul.completed.seconds))),
            rounded(completed),
            perGib(({ backhaul }) => backhaul.durable.server + backhaul.completed.server),
            '–',
          ],
        ],
      ),
    ],
    verdicts: [verdict],
    leftOut: load >= FULL ? ['a faster uploader: it had a core to itself, and held up the server'] : [],
    runs,
  }
}
