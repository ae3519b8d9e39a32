import { pause } from '../../shared/wait.ts'
import type { OpenBrowser, Tab } from '../../tests/helpers/browser.ts'
import { until } from '../../tests/helpers/until.ts'
import { atPace } from '../idle/operator.ts'
import { startMeter } from '../meter.ts'
import { ask, type BenchStack } from '../stack.ts'
import type { Filled } from './stores.ts'
import type { Surroundings } from './surroundings.ts'

/** Who is asked for files meanwhile. */
export const TRAFFIC = 'traffic'
/** What opening the pages costs is over, in ms. */
const SETTLE = 3_000

/** So many pages, of one view, while nothing happens or something does. */
export interface Situation {
  pages: number
  /** As the address says it after `#`. */
  at: string
  /** Downloads that are asked for in a second. */
  pace: number
}

/** What was used, in cores. */
export interface Load {
  server: number
  /** 0 where the database is the server's own. */
  database: number
}

/** What was used without a page, and with them, in the order of `opened`. */
export interface Loads {
  pace: number
  alone: Load
  with: Load[]
}

export interface LoadOptions {
  rounds: number
  seconds: number
  pages: number
  pace: number
}

const none = { pages: 0, at: '/' }

const meanOf = (one: Load, other: Load): Load => ({
  server: (one.server + other.server) / 2,
  database: (one.database + other.database) / 2,
})

/** Pages that are left open, beside none. */
export const opened = (pages: number): Omit<Situation, 'pace'>[] => [
  { pages: 1, at: '/' },
  { pages: 1, at: '/clients' },
  { pages, at: '/' },
]

/** Every situation in turn, so often, and none before and after: a machine that is busy for a while is busy for all. */
export async function measureLoads(
  { browser, signal, say }: Surroundings,
  filled: Filled,
  { rounds, seconds, pages, pace }: LoadOptions,
): Promise<Loads[]> {
  const found: Loads[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const each of [0, pace]) {
      say(`dashboard: round ${round} of ${rounds}, ${each} downloads a second`)
      const measure = (situation: Omit<Situation, 'pace'>): Promise<Load> => {
        signal.throwIfAborted()
        return loadOf(filled, browser, { ...situation, pace: each }, seconds)
      }
      const before = await measure(none)
      const others: Load[] = []
      for (const situation of opened(pages)) others.push(await measure(situation))
      found.push({ pace: each, alone: meanOf(before, await measure(none)), with: others })
    }
  }
  return found
}

/** Measures one situation for so many seconds. @throws Error when a page does not stand it */
async function loadOf(
  { server, databasePid }: Filled,
  browser: OpenBrowser,
  { pages, at, pace }: Situation,
  seconds: number,
): Promise<Load> {
  const tabs = await Promise.all(Array.from({ length: pages }, () => browser.open(`/#${at}`)))
  try {
    await Promise.all(tabs.map(isLive))
    const busy = asking(server, pace, SETTLE / 1000 + seconds)
    await pause(SETTLE)
    const used = await Promise.all([coresOf(server.serverPid, seconds), coresOf(databasePid, seconds)])
    await busy
    await Promise.all(tabs.map(isLive))
    return { server: used[0], database: used[1] }
  } finally {
    await browser.closeTabs()
  }
}

async function asking(server: BenchStack, pace: number, seconds: number): Promise<void> {
  const asked = async (): Promise<number> => {
    await ask(server, TRAFFIC)
    return 0
  }
  if (pace > 0) await atPace(Math.round(pace * seconds), () => 1000 / pace, asked)
}

async function coresOf(pid: number | undefined, seconds: number): Promise<number> {
  if (pid === undefined) return 0
  const meter = await startMeter(pid)
  const from = performance.now()
  await pause(seconds * 1000)
  const elapsed = (performance.now() - from) / 1000
  return (await meter.stop()).cpu / elapsed
}

/** A page that does not hear the server costs it nothing. */
async function isLive({ page, faults }: Tab): Promise<void> {
  const live = `document.querySelector('.connection.live') !== null && document.querySelector('main tbody tr') !== null && !document.hidden`
  await until('a page to hear the server', () => page.evaluate<boolean>(live))
  const wrong = faults()
  if (wrong.length > 0) throw new Error(`a page that was left open: ${wrong.join('; ')}`)
}
