import { join } from 'node:path'
import type { Part } from './bench.ts'
import { count } from './options.ts'
import { lineup } from './peers/index.ts'
import { loopback as place, type Peer, type PeerName } from './peers/peer.ts'
import type { Panel } from './picture.ts'
import { judge, rounded, table, type Verdict } from './report.ts'
import { MiB, writeRandomFile } from './source.ts'
import { median, ofRuns } from './statistics.ts'
import { transfer, type Transfer } from './transfer.ts'

interface Options {
  mib: number
  runs: number
}

/** It is slow, and its numbers per MiB do not depend on the size. */
const WS_MIB = 256

/** The medians of one peer's runs. */
interface Summary {
  title: string
  /** MiB/s: the median, the least and the most. */
  rate: number
  slowest: number
  fastest: number
  /** Processor seconds per GiB. */
  serverCpu: number
  clientCpu: number
  /** MiB. */
  serverPeak: number
  clientPeak: number
}

export const loopback: Part<Options> = {
  name: 'loopback',
  description: 'a large file over loopback: throughput, processor time and memory of each end',

  declare: (command) =>
    command
      .option('--mib <N>', 'size of the file in MiB', count, 1024)
      .option('--runs <N>', 'runs of every peer', count, 5),

  room: ({ mib }) => 2.5 * mib * MiB,

  async run({ folder, peers, signal, say }, { mib, runs }) {
    const { taking, leftOut } = lineup(peers)
    say(`loopback: making a file of ${mib} MiB`)
    const large = await writeRandomFile(join(folder, 'large'), mib * MiB)
    const small = await writeRandomFile(join(folder, 'small'), Math.min(mib, WS_MIB) * MiB)
    const results = new Map<PeerName, Transfer[]>(taking.map(({ name }) => [name, []]))
    for (let run = 1; run <= runs; run += 1) {
      for (const peer of taking) {
        const source = peer.name === 'ws' ? small : large
        const result = await transfer(peer, { place, source, folder, signal })
        results.get(peer.name)?.push(result)
        say(`loopback, run ${run} of ${runs}: ${peer.name} ${rounded(rateOf(result))} MiB/s`)
      }
    }
    const summaries = new Map(taking.map((peer) => [peer.name, summaryOf(peer, results.get(peer.name) ?? [])]))
    return {
      name: 'loopback',
      title: 'Loopback',
      about:
        `A file of ${mib} MiB random bytes (the WebSocket: ${Math.min(mib, WS_MIB)} MiB), from a process to another on the same machine. ` +
        `Every peer in turn, each time with fresh processes and empty folders; ${ofRuns(runs)}. ` +
        `The time runs from the request to the file that is stored. tus, nginx and the WebSocket verify nothing and sync nothing; ` +
        `Backhaul verifies every chunk and the whole, and syncs every chunk before it says that it has it.`,
      tables: [tableOf([...summaries.values()], summaries.get('tus'))],
      verdicts: verdictsOf(summaries),
      leftOut,
      panels: panelsOf(summaries),
      runs: Object.fromEntries(results),
    }
  },
}

const rateOf = ({ bytes, seconds }: Transfer): number => bytes / MiB / seconds

function summaryOf({ title }: Peer, runs: readonly Transfer[]): Summary {
  const gib = (runs[0]?.bytes ?? 0) / MiB / 1024
  const of = (value: (run: Transfer) => number): number => median(runs.map(value))
  const rates = runs.map(rateOf)
  return {
    title,
    rate: median(rates),
    slowest: Math.min(...rates),
    fastest: Math.max(...rates),
    serverCpu: of(({ server }) => server.cpu / gib),
    clientCpu: of(({ client }) => client.cpu / gib),
    serverPeak: of(({ server }) => server.peak / MiB),
    clientPeak: of(({ client }) => client.peak / MiB),
  }
}

function tableOf(all: readonly Summary[], tus: Summary | undefined): string {
  return table(
    [
      '',
      'MiB/s',
      'slowest – fastest',
      '÷ tus',
      'server CPU s/GiB',
      'client CPU s/GiB',
      'server peak MiB',
      'client peak MiB',
    ],
    all.map((one) => [
      one.title,
      rounded(one.rate),
      `${rounded(one.slowest)} – ${rounded(one.fastest)}`,
      tus ? rounded(one.rate / tus.rate) : '–',
      rounded(one.serverCpu),
      rounded(one.clientCpu),
      rounded(one.serverPeak),
      rounded(one.clientPeak),
    ]),
  )
}

function verdictsOf(summaries: ReadonlyMap<PeerName, Summary>): Verdict[] {
  const [ours, tus, nginx] = [summaries.get('backhaul'), summaries.get('tus'), summaries.get('nginx')]
  return [
    ...(ours && tus ? [judge('throughput ÷ tus', ours.rate / tus.rate, 'at least', 1.6)] : []),
    ...(ours && nginx ? [judge('throughput ÷ nginx', ours.rate / nginx.rate, 'at least', 0.4)] : []),
    ...(ours && tus ? [judge('server CPU per GiB ÷ tus', ours.serverCpu / tus.serverCpu, 'at most', 0.75)] : []),
  ]
}

function panelsOf(summaries: ReadonlyMap<PeerName, Summary>): Panel[] {
  const tus = summaries.get('tus')
  if (!tus) return []
  const panel = (title: string, of: (one: Summary) => number, bound: number): Panel => ({
    title,
    bars: [...summaries].map(([name, one]) => ({
      label: name,
      value: of(one) / of(tus),
      text: `${rounded(of(one) / of(tus))} ×`,
      ours: name === 'backhaul',
    })),
    bound,
  })
  return [
    panel('Throughput ÷ tus (longer is better)', ({ rate }) => rate, 1.6),
    panel('Server CPU per GiB ÷ tus (shorter is better)', ({ serverCpu }) => serverCpu, 0.75),
  ]
}
