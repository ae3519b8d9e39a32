import { pause } from '../../shared/wait.ts'
import { startMeter } from '../meter.ts'
import { rounded, table } from '../report.ts'
import { MiB } from '../source.ts'
import { startCountingProxy, type CountingProxy, type Requests } from './counting-proxy.ts'
import type { Measure, SharedOptions, Surroundings } from './measurement.ts'
import type { Servers } from './place.ts'
import { startUploader, warmUp, type Step } from './uploads.ts'

const CHUNKS = [64 * 1024, MiB, 8 * MiB] as const
const LARGEST = 8 * MiB
/** A connection of PostgreSQL that has nothing to do tells what it has done after 10 s, in ms. */
const TOLD_AFTER = 11_000

/** What a step took. */
interface Cost {
  /** Processor seconds of the server. */
  cpu: number
  transactions: number
  /** Bytes. */
  wal: number
  requests: Requests
}

interface Costs {
  chunk: number
  bytes: number
  durable: Cost
  completed: Cost
}

/** What a GiB costs the server, PostgreSQL and the object store, in chunks of several sizes. */
export const writes: Measure = async (surroundings, options) => {
  const all: Costs[] = []
  for (const chunk of CHUNKS) {
    surroundings.signal.throwIfAborted()
    surroundings.say(`shared, writes: chunks of ${nameOf(chunk)}`)
    all.push(await measure(chunk, surroundings, options))
  }
  return {
    about:
      `**What a GiB costs**, one server: ${options.mib} MiB in ${options.files} files over ${options.connections} connections. First until all chunks are durable, then until all files are completed; ` +
      'requests to the object store as a proxy before it counts them. What the server does by itself in the 11 s for which PostgreSQL may not tell what it has done is counted, too.',
    tables: [
      table(
        ['per GiB', 'server CPU s', 'transactions', 'WAL, MiB', 'S3: put', 'get', 'copy', 'other'],
        all.flatMap((costs) => [
          rowOf(`chunks of ${nameOf(costs.chunk)}, durable`, costs.durable, costs.bytes),
          rowOf('… completed', costs.completed, costs.bytes),
        ]),
      ),
    ],
    verdicts: [],
    leftOut: [],
    runs: all,
  }
}

const nameOf = (chunk: number): string => (chunk < MiB ? `${chunk / 1024} KiB` : `${chunk / MiB} MiB`)

function rowOf(title: string, { cpu, transactions, wal, requests }: Cost, bytes: number): string[] {
  const perGib = (value: number): string => rounded((value / bytes) * 1024 * MiB)
  const { put, get, copy, other } = requests
  return [title, perGib(cpu), perGib(transactions), perGib(wal / MiB), ...[put, get, copy, other].map(perGib)]
}

async function measure(
  chunk: number,
  { place }: Surroundings,
  { mib, files, connections }: SharedOptions,
): Promise<Costs> {
  const proxy = await startCountingProxy(process.env['S3_ENDPOINT'] ?? '')
  try {
    const servers = await place.start({ endpoint: proxy.url })
    try {
      const size = Math.max(1, Math.round((mib * MiB) / files / LARGEST)) * LARGEST
      const [server] = servers.all
      const task = { urls: [server!.url], files, chunk, connections }
      await warmUp({ ...task, size: LARGEST })
      const uploader = await startUploader({ ...task, size, complete: true })
      try {
        const durable = await costOf(uploader.send, { servers, proxy })
        const completed = await costOf(uploader.complete, { servers, proxy })
        return { chunk, bytes: size * files, durable, completed }
      } finally {
        await uploader.stop()
      }
    } finally {
      await servers.stop()
    }
  } finally {
    proxy.close()
  }
}

async function costOf(
  work: () => Promise<Step>,
  { servers, proxy }: { servers: Servers; proxy: CountingProxy },
): Promise<Cost> {
  await pause(TOLD_AFTER)
  const [before, asked] = [await servers.work(), proxy.counts()]
  const meter = await startMeter(servers.all[0]!.serverPid)
  await work()
  await pause(TOLD_AFTER)
  const { cpu } = await meter.stop()
  const [after, all] = [await servers.work(), proxy.counts()]
  return {
    cpu,
    transactions: after.transactions - before.transactions,
    wal: after.wal - before.wal,
    requests: {
      put: all.put - asked.put,
      get: all.get - asked.get,
      copy: all.copy - asked.copy,
      other: all.other - asked.other,
    },
  }
}
