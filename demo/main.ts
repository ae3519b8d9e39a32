import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../shared/errors.ts'
import { formatBytes, formatSeconds } from '../shared/format.ts'
import { createProgress } from '../shared/progress.ts'
import { onShutdown } from '../shared/shutdown.ts'
import { createProcesses } from './processes.ts'
import { agrees, describeTransfer, leftovers, nextSteps, summary } from './report.ts'
import { setStage } from './stage.ts'
import { transfer, withDigests } from './transfer.ts'

// A server and three sites as processes of their own, a file from each, and everything taken down again.
// `npm run demo -- 5` does it with 5 MiB files.

const ids = ['restaurant_1', 'restaurant_2', 'restaurant_3']
const MiB = 1024 * 1024
const size = sizeFrom(process.argv[2] ?? '100')

const beganAt = performance.now()
const stopping = new AbortController()
const { signal } = stopping
const isTerminal = process.stdout.isTTY
const progress = createProgress({ stream: process.stdout })
const processes = createProcesses()
const folder = await mkdtemp(join(tmpdir(), 'backhaul-demo-'))
const say = (line: string): void => console.log(line)

/** @returns whether every file came over whole */
async function show(): Promise<boolean> {
  say(`Making three files of ${formatBytes(size)} in ${folder} …`)
  const { api, sites } = await setStage({ folder, ids, size, processes, signal, say })
  say('A download from each, all at once:')
  // Here, so that the bars stand in the order of the sites.
  for (const { id } of sites) progress.update(id, id, 0, size)
  const askedAt = performance.now()
  const came = await Promise.all(sites.map((site) => transfer({ api, site, progress, isTerminal, signal, say })))
  const seconds = (performance.now() - askedAt) / 1000
  const transfers = await Promise.all(came.map(withDigests))
  say([...transfers.flatMap(describeTransfer), '', summary(transfers, seconds)].join('\n'))
  return transfers.every(agrees)
}

async function takeDown(): Promise<void> {
  progress.stop()
  await processes.stop()
}

onShutdown(
  async () => {
    stopping.abort()
    await takeDown()
    say(`\nInterrupted; all processes have ended. ${leftovers(folder)}`)
  },
  () => process.exit(130),
)

try {
  const isWhole = await Promise.race([show(), processes.broken])
  await takeDown()
  say(`Server and agents have ended; all of it took ${formatSeconds((performance.now() - beganAt) / 1000)}.`)
  say(leftovers(folder))
  if (isWhole) say(nextSteps.join('\n'))
  else fail('A file differs from its source')
} catch (error) {
  if (!signal.aborted) {
    await takeDown()
    fail(messageOf(error).replace(/\.$/, ''))
    // Whatever else was still waiting for the server need not wait any longer.
    stopping.abort()
  }
}

function fail(message: string): void {
  console.error(`demo: ${message}. ${leftovers(folder)}`)
  process.exitCode = 1
}

function sizeFrom(text: string): number {
  const mebibytes = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (mebibytes > 0) return mebibytes * MiB
  console.error(`demo: the size must be a whole number of MiB, not "${text}".`)
  return process.exit(2)
}
