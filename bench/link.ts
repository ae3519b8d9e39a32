import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { InvalidArgumentError } from 'commander'
import { startWan } from '../tests/helpers/wan.ts'
import type { Bench } from './bench.ts'
import type { Place } from './peers/peer.ts'

const run = promisify(execFile)

/** A slow line between a site and a server. */
export interface Link {
  /** `50/80/0.5`: Mbit/s, ms of a round trip, per cent of the packets lost. */
  name: string
  rateMbit: number
  rttMs: number
  lossPercent: number
}

/** A link that is up. */
export interface Net {
  place: Place
  /** Forgets what the kernel has learned of the other end: no run helps the next. */
  forget(): Promise<void>
  down(): Promise<void>
}

/** The name of a link, for an option. */
export const linkName = (text: string): string => parseLink(text.trim()).name

/** `50/80/0,10/40/0.1`. */
export const linkNames = (text: string): string[] => text.split(',').map(linkName)

/** `50/80/0.5`. */
export function parseLink(text: string): Link {
  const [rateMbit = 0, rttMs, lossPercent, ...more] = text.split('/').map(Number)
  const all = [rateMbit, rttMs ?? Number.NaN, lossPercent ?? Number.NaN]
  if (more.length > 0 || !all.every((value) => value >= 0) || rateMbit === 0) {
    throw new InvalidArgumentError('A link is MBIT/ROUND_TRIP_MS/LOSS_PERCENT, as 50/80/0.5.')
  }
  return { name: text, rateMbit, rttMs: rttMs ?? 0, lossPercent: lossPercent ?? 0 }
}

/** The time below which no program can get, in seconds. @param bytes that cross the link */
export const limitOf = ({ rateMbit }: Link, bytes: number): number => (bytes * 8) / (rateMbit * 1e6)

/** Why no link can be made here, if so. */
export function lacksNet({ net }: Bench): string | undefined {
  if (net === undefined) return 'needs --net SCRIPT or BENCH_NET: a script that makes slow links'
  return process.getuid?.() === 0 ? undefined : 'needs root for network namespaces'
}

/** Brings a link up. @param net the script that makes it */
export async function startLink({ rateMbit, rttMs, lossPercent }: Link, net: string): Promise<Net> {
  const wan = await startWan(rateMbit, rttMs, lossPercent, net)
  return {
    place: { server: wan.cloud, client: wan.site, host: { here: wan.testHost, client: wan.cloudHost } },
    async forget() {
      for (const [program = '', ...args] of [wan.site, wan.cloud]) {
        await run(program, [...args, 'ip', 'tcp_metrics', 'flush'])
      }
    },
    down: () => wan.down(),
  }
}
