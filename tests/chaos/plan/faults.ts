import type { Random } from '../random.ts'
import type { Scale } from './scale.ts'

export const faultNames = [
  'agent killed',
  'server killed',
  'server and agent killed',
  'agent restarted',
  'server restarted',
  'agent stopped',
  'server stopped',
  'second agent',
  'line cut',
  'line silent',
  'connections forgotten',
  'connections refused',
  'line slow',
  'bits flipped',
  'disk full',
  'clock of the agent jumps',
  'clock of the server jumps',
] as const
export type FaultName = (typeof faultNames)[number]

/** One fault. Those of one target come one after the other. */
export interface FaultPlan {
  atMs: number
  name: FaultName
  /** The client that it hits; the server's and the disk's hit all. */
  client: number
  forMs: number
  /** Bytes per second, pieces to damage, or seconds to jump. */
  amount: number
}

/** What a fault takes away, so that no two take the same. */
type Target = 'agent' | 'server' | 'line' | 'disk' | 'none'

interface Kind {
  name: FaultName
  weight: number
  targets: readonly Target[]
  /** Noticed by a timeout only, or waited out: needs a long run. */
  slowly?: boolean
  /** In the first part of the run only, for its traces take a minute to go. */
  early?: boolean
  /** The longest, in seconds, if shorter than the scale's. */
  seconds?: number
}

const kinds: readonly Kind[] = [
  { name: 'agent killed', weight: 6, targets: ['agent'], seconds: 2 },
  { name: 'server killed', weight: 5, targets: ['server'], seconds: 2 },
  { name: 'server and agent killed', weight: 2, targets: ['server', 'agent'], seconds: 2 },
  { name: 'agent restarted', weight: 3, targets: ['agent'], seconds: 1 },
  { name: 'server restarted', weight: 3, targets: ['server'], seconds: 1 },
  { name: 'agent stopped', weight: 3, targets: ['agent'] },
  { name: 'server stopped', weight: 2, targets: ['server'] },
  { name: 'second agent', weight: 1, targets: ['agent'], slowly: true, early: true, seconds: 15 },
  { name: 'line cut', weight: 8, targets: ['line'], seconds: 0 },
  { name: 'line silent', weight: 4, targets: ['line'] },
  { name: 'connections forgotten', weight: 2, targets: ['line'], slowly: true, seconds: 0 },
  { name: 'connections refused', weight: 3, targets: ['line'], seconds: 10 },
  { name: 'line slow', weight: 3, targets: ['line'], seconds: 10 },
  { name: 'bits flipped', weight: 6, targets: ['line'], seconds: 0 },
  { name: 'disk full', weight: 3, targets: ['disk'], slowly: true, seconds: 12 },
  { name: 'clock of the agent jumps', weight: 2, targets: ['none'], seconds: 0 },
  { name: 'clock of the server jumps', weight: 2, targets: ['none'], seconds: 0 },
]

const wide: readonly Target[] = ['server', 'disk']
/** The least and the most that pass between two faults, in ms. */
const GAP: readonly [number, number] = [500, 5000]
const SHORT_GAP: readonly [number, number] = [200, 1500]
/** When the next is tried after one that could not be, in ms. */
const RETRY = 100
const AT_ONCE = 2

/** Which fault comes when. @param without those that cannot be made here */
export function planFaults(random: Random, scale: Scale, without: readonly FaultName[]): FaultPlan[] {
  const end = scale.seconds * 1000
  const busyUntil = new Map<string, number>()
  const faults: FaultPlan[] = []
  const possible = kinds.filter(({ slowly }) => scale.patient || !slowly)
  const lots = possible.flatMap((kind) => Array.from({ length: kind.weight }, () => kind))

  const keysOf = (kind: Kind, client: number): string[] =>
    kind.targets.map((target) => (wide.includes(target) ? target : `${target} ${client}`))

  for (let at = 1000; at < end;) {
    const kind = random.pick(lots)
    const client = random.int(0, scale.clients - 1)
    // Short ones are more frequent.
    const longest = Math.min(kind.seconds ?? scale.longestFault, scale.longestFault, (end - at) / 1000)
    const forMs = Math.floor(longest * 1000 * random.next() ** 2)
    const amount = amountOf(random, kind.name)
    const keys = keysOf(kind, client)
    const active = faults.filter((fault) => fault.atMs + fault.forMs > at).length
    const taken = keys.some((key) => (busyUntil.get(key) ?? 0) > at)
    if (taken || active >= AT_ONCE || (kind.early && at > end / 2) || without.includes(kind.name)) {
      at += RETRY
      continue
    }
    for (const key of keys) if (!key.startsWith('none')) busyUntil.set(key, at + forMs)
    faults.push({ atMs: at, name: kind.name, client, forMs, amount })
    at += random.int(...(scale.patient ? GAP : SHORT_GAP))
  }
  return faults
}

function amountOf(random: Random, name: FaultName): number {
  if (name === 'line slow') return random.int(100, 1000) * 1000
  if (name === 'bits flipped') return random.int(1, 3)
  const hours = random.int(1, 20) * random.pick([-1, 1])
  return hours * 3600 + random.int(0, 59)
}
