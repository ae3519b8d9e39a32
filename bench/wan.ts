import { join } from 'node:path'
import type { Bench, Part } from './bench.ts'
import { lacksNet, limitOf, linkNames, parseLink, startLink, type Link } from './link.ts'
import { count } from './options.ts'
import { lineup } from './peers/index.ts'
import type { Peer, PeerName } from './peers/peer.ts'
import type { Panel } from './picture.ts'
import { judge, rounded, table, type Verdict } from './report.ts'
import { MiB, writeRandomFile, type Source } from './source.ts'
import { median, ofRuns } from './statistics.ts'
import { transfer, type Transfer } from './transfer.ts'

interface Options {
  mib: number
  links: string[]
  runs: number
  cap: number
}

/** Time ÷ the link's own limit, at most. */
const bounds: Readonly<Record<string, number>> = {
  '50/80/0': 1.1,
  '10/40/0.1': 1.1,
  '50/80/0.5': 1.35,
  '20/600/0.1': 1.6,
}

/** One peer on one link. */
interface Cell {
  link: Link
  peer: Peer
  runs: Transfer[]
}

export const wan: Part<Options> = {
  name: 'wan',
  description: 'a file over slow and lossy links, against the time that the link itself needs',

  declare: (command) =>
    command
      .option('--mib <N>', 'size of the file in MiB', count, 25)
      .option('--links <LINKS>', 'Mbit/s, ms of a round trip and per cent lost of each', linkNames, Object.keys(bounds))
      .option('--runs <N>', 'runs of every peer on every link', count, 3)
      .option('--cap <SECONDS>', 'what takes longer is given up', count, 120),

  room: ({ mib }) => 2.5 * mib * MiB,
  lacks: lacksNet,

  async run(bench, { mib, links: names, runs, cap }) {
    const links = names.map(parseLink)
    const { taking, leftOut } = lineup(bench.peers)
    const source = await writeRandomFile(join(bench.folder, 'file'), mib * MiB)
    const cells = links.flatMap((link) => taking.map((peer): Cell => ({ link, peer, runs: [] })))
    for (let run = 1; run <= runs; run += 1) {
      for (const link of links) {
        const ofLink = cells.filter((cell) => cell.link === link)
        await overLink(bench, { link, cells: ofLink, source, cap, round: `wan, run ${run} of ${runs}` })
      }
    }
    return {
      name: 'wan',
      title: 'Slow and lossy links',
      about:
        `A file of ${mib} MiB random bytes from a site behind NAT to a server, over links of so many Mbit/s, ms of a round trip and per cent of packets lost. ` +
        `Every peer in turn on every link, each time with fresh processes, empty folders and an empty cache of what TCP has learned; ${ofRuns(runs)}. ` +
        `In parentheses: the time ÷ the link's own limit, which is the file's size ÷ the rate. No setting is changed between links.`,
      tables: [tableOf(links, taking, cells, { bytes: source.size, cap })],
      verdicts: verdictsOf(cells),
      leftOut,
      panels: panelsOf(links, cells, cap),
      runs: cells.map((cell) => ({ link: cell.link.name, peer: cell.peer.name, runs: cell.runs })),
    }
  },
}

interface Leg {
  link: Link
  cells: readonly Cell[]
  source: Source
  cap: number
  round: string
}

/** One round of all peers over one link, which is made for that and taken away again. */
async function overLink({ folder, net, signal, say }: Bench, { link, cells, source, cap, round }: Leg): Promise<void> {
  const line = await startLink(link, net ?? '')
  try {
    for (const { peer, runs } of cells) {
      await line.forget()
      const result = await transfer(peer, { place: line.place, source, folder, signal, cap })
      runs.push(result)
      say(`${round}, ${link.name}: ${peer.name} ${secondsOf(result.seconds, cap)} s`)
    }
  } finally {
    await line.down()
  }
}

const medianOf = ({ runs }: Cell): number => median(runs.map(({ seconds }) => seconds))
const ratioOf = (cell: Cell): number => medianOf(cell) / limitOf(cell.link, cell.runs[0]?.bytes ?? 0)
const secondsOf = (seconds: number, cap: number): string => (seconds === Infinity ? `over ${cap}` : seconds.toFixed(1))

function tableOf(
  links: readonly Link[],
  taking: readonly Peer[],
  cells: readonly Cell[],
  { bytes, cap }: { bytes: number; cap: number },
): string {
  const textOf = (cell: Cell | undefined): string => {
    if (!cell) return '–'
    const seconds = medianOf(cell)
    return seconds === Infinity ? `over ${cap}` : `${seconds.toFixed(1)} (${rounded(ratioOf(cell))} ×)`
  }
  return table(
    ['seconds', ...links.map(({ name }) => name)],
    [
      ["the link's own limit", ...links.map((link) => limitOf(link, bytes).toFixed(1))],
      ...taking.map((peer) => [
        peer.title,
        ...links.map((link) => textOf(cells.find((cell) => cell.link === link && cell.peer === peer))),
      ]),
    ],
  )
}

function verdictsOf(cells: readonly Cell[]): Verdict[] {
  return cells.flatMap((cell) => {
    const bound = bounds[cell.link.name]
    if (cell.peer.name !== ('backhaul' satisfies PeerName) || bound === undefined) return []
    return [judge(`time ÷ the link's limit at ${cell.link.name}`, ratioOf(cell), 'at most', bound)]
  })
}

function panelsOf(links: readonly Link[], cells: readonly Cell[], cap: number): Panel[] {
  return links.map((link) => {
    const bound = bounds[link.name]
    const bars = cells
      .filter((cell) => cell.link === link)
      .map((cell) => {
        const ratio = ratioOf(cell)
        const limit = limitOf(link, cell.runs[0]?.bytes ?? 0)
        return {
          label: cell.peer.name,
          value: Math.min(ratio, cap / limit),
          text: ratio === Infinity ? `over ${cap} s` : `${rounded(ratio)} ×`,
          ours: cell.peer.name === 'backhaul',
        }
      })
    return {
      title: `${link.rateMbit} Mbit/s, ${link.rttMs} ms, ${link.lossPercent} % lost: time ÷ the link's own limit (shorter is better)`,
      bars,
      ...(bound !== undefined && { bound }),
    }
  })
}
