import { startMeter } from '../meter.ts'
import { judge, rounded, table } from '../report.ts'
import { MiB } from '../source.ts'
import { median, ofRuns } from '../statistics.ts'
import { holdLacking, holdTo, type Hold } from './hold.ts'
import type { Measure, SharedOptions, Surroundings } from './measurement.ts'
import type { Servers } from './place.ts'
import { pollsPerSecond } from './polling.ts'
import { FULL, loadOf, startUploader, warmUp, type Step, type UploadTask } from './uploads.ts'

/** Small files, in chunks that make many calls: the servers are what is short, and not the store. */
const EACH = 4 * MiB
const CHUNK = MiB
const CONNECTIONS = 32
/** Seconds of polls before those that count. */
const WARM_UP = 2
/** Enough that a server always has one to answer. */
const POLLERS = 64

interface Found {
  /** MiB per second that are durable. */
  rate: number
  /** Cores of the uploader. */
  load: number
  /** Cores that each server used as it took the chunks: what the hold really gave it. */
  given: number
  polls: number
}

/** Two servers that share stores against one, each held to the same share of a core. */
export const several: Measure = async (surroundings, options) => {
  const { runs, hold, severalMib, seconds } = options
  const lacks = holdLacking()
  if (lacks !== undefined)
    return { about: '', tables: [], verdicts: [], leftOut: [`several servers (${lacks})`], runs: [] }
  const all: [one: Found, two: Found][] = []
  for (let run = 1; run <= runs; run += 1) {
    const found: [Found, Found] = [await measure(1, surroundings, options), await measure(2, surroundings, options)]
    all.push(found)
    const [one, two] = found
    surroundings.say(
      `shared, several, run ${run} of ${runs}: chunks ${rounded(two.rate / one.rate)} ×, polls ${rounded(two.polls / one.polls)} ×`,
    )
  }
  const of = (count: 0 | 1, what: keyof Found): number => median(all.map((pair) => pair[count][what]))
  const ratio = (what: 'rate' | 'polls'): number => median(all.map(([one, two]) => two[what] / one[what]))
  const row = (title: string, count: 0 | 1): string[] => [
    title,
    rounded(of(count, 'rate')),
    rounded(of(count, 'given')),
    rounded(of(count, 'load')),
    rounded(of(count, 'polls')),
  ]
  return {
    about:
      `**Two servers against one**, each held to ${hold} of a core; PostgreSQL, the object store and the callers are not. Files of ${EACH / MiB} MiB, ${severalMib} MiB together, ` +
      `in chunks of ${CHUNK / MiB} MiB over ${CONNECTIONS} connections, the chunks of each file to the servers in turn, until all are durable; ` +
      `before that, ${POLLERS} agents that poll without waiting, for ${seconds} s. In turn; ${ofRuns(runs)}.`,
    tables: [
      table(
        ['', 'durable MiB/s', 'each server, cores', 'uploader, cores', 'polls/s'],
        [
          row('one server', 0),
          row('two servers', 1),
          ['ratio', rounded(ratio('rate')), '', '', rounded(ratio('polls'))],
        ],
      ),
    ],
    verdicts: [
      judge('durable chunks, two servers ÷ one', ratio('rate'), 'at least', 1.6),
      judge('polls, two servers ÷ one', ratio('polls'), 'at least', 1.6),
    ],
    leftOut: of(1, 'load') >= FULL ? ['a faster uploader: it had a core to itself, and held up two servers'] : [],
    runs: all,
  }
}

async function measure(count: number, { place, signal }: Surroundings, options: SharedOptions): Promise<Found> {
  signal.throwIfAborted()
  const servers = await place.start({ count })
  const holds: Hold[] = []
  const hold = async (): Promise<void> => {
    for (const { serverPid } of servers.all) holds.push(await holdTo(serverPid, options.hold))
  }
  const release = async (): Promise<void> => {
    await Promise.all(holds.splice(0).map((one) => one.release()))
  }
  const urls = servers.all.map(({ url }) => url)
  const files = Math.max(1, Math.round((options.severalMib * MiB) / EACH))
  try {
    const task = { urls, size: EACH, chunk: CHUNK, connections: CONNECTIONS }
    // At full speed: sessions and downloads are begun, and each server has done what it is measured by.
    await warmUp({ ...task, files: CONNECTIONS })
    await pollsPerSecond({ urls, agents: POLLERS, seconds: WARM_UP })
    const polls = await pollsPerSecond({ urls, agents: POLLERS, seconds: options.seconds }, hold)
    await release()
    // Last, for files that are not completed leave the servers something to read back.
    const { sent, given } = await sendHeld({ ...task, files, complete: false }, servers, hold)
    return { rate: (files * EACH) / MiB / sent.seconds, load: loadOf(sent), given, polls }
  } finally {
    await release()
    await servers.stop()
  }
}

async function sendHeld(
  task: UploadTask,
  { all }: Servers,
  hold: () => Promise<void>,
): Promise<{ sent: Step; given: number }> {
  const uploader = await startUploader(task)
  try {
    await hold()
    const meters = await Promise.all(all.map(({ serverPid }) => startMeter(serverPid)))
    const sent = await uploader.send()
    const used = await Promise.all(meters.map((meter) => meter.stop()))
    return { sent, given: used.reduce((sum, { cpu }) => sum + cpu, 0) / sent.seconds / all.length }
  } finally {
    await uploader.stop()
  }
}
