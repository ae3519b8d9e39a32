import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { pause } from '../shared/wait.ts'
import type { Bench, Part } from './bench.ts'
import { residentKiB } from './idle/usage.ts'
import { startMeter } from './meter.ts'
import { count } from './options.ts'
import { projectFolder, startProcess, type Started } from './processes.ts'
import { judge, table } from './report.ts'
import { writeRandomFile } from './source.ts'
import { ask, finished, startBenchStack, type BenchStack } from './stack.ts'
import { quantile } from './statistics.ts'

interface Options {
  minutes: number
  starts: number
}

const executable = join(projectFolder, 'dist/backhaul-agent')
const MB = 1e6
const SIZES = [3 * MB, 100 * MB]
/** What jobs needed is let go of by then, in ms. */
const SETTLED_MS = 30_000
/** A start that takes longer has failed, in ms. */
const LATE_MS = 10_000
const SITE = 'site'

export const agent: Part<Options> = {
  name: 'agent',
  description: 'what the executable of the agent costs a machine where it waits: size, start, memory, processor',

  declare: (command) =>
    command
      .option('--minutes <N>', 'how long it waits for nothing', count, 10)
      .option('--starts <N>', 'how often it is started', count, 20),

  room: () => SIZES.reduce((sum, size) => sum + 3 * size, 0),

  lacks: () => (existsSync(executable) ? undefined : 'needs dist/backhaul-agent: npm run build:agent'),

  async run(bench, { minutes, starts }) {
    const stack = await startBenchStack({ folder: join(bench.folder, 'server') })
    try {
      const startMs = await timeStarts(bench, stack, starts)
      const waiting = await wait(bench, stack, minutes)
      const sizeMB = (await stat(executable)).size / MB
      const megabytes = (kib: number): string => ((kib * 1024) / MB).toFixed(1)
      const rows = [
        ['size', `${sizeMB.toFixed(1)} MB`],
        ['from the start to the poll, p50', `${quantile(startMs, 0.5).toFixed(0)} ms`],
        ['the longest', `${Math.max(...startMs).toFixed(0)} ms`],
        [`processor, of one core in ${minutes} min`, `${(waiting.share * 100).toFixed(4)} %`],
        ['resident, after the start', `${megabytes(waiting.freshKiB)} MB`],
        ...waiting.jobs.map(({ size, kib, firstMs, nextMs }) => [
          `resident, ${SETTLED_MS / 1000} s after a file of ${size / MB} MB, which took ${firstMs.toFixed(0)} ms (at once again: ${nextMs.toFixed(0)} ms)`,
          `${megabytes(kib)} MB`,
        ]),
      ]
      const resident = Math.max(waiting.freshKiB, ...waiting.jobs.map(({ kib }) => kib))
      return {
        name: 'agent',
        title: 'An agent that waits',
        about: `The single executable (\`npm run build:agent\`) beside a server that wants no tokens, started ${starts} times, then left alone for ${minutes} min.`,
        tables: [table(['', ''], rows)],
        verdicts: [
          judge('from the start to the poll, the longest', Math.max(...startMs), 'at most', 500, 'ms'),
          judge('resident while it waits, the most', (resident * 1024) / MB, 'at most', 80, 'MB'),
          judge('processor while it waits', waiting.share * 100, 'at most', 0.1, '% of a core'),
        ],
        leftOut: [],
        panels: [],
        runs: { startMs, ...waiting },
      }
    } finally {
      await stack.stop()
    }
  },
}

const startAgent = ({ folder, url }: BenchStack, server = url, file = join(folder, 'none')): Started => {
  const state = join(folder, 'state')
  const args = ['--id', SITE, '--server', server, '--file', file, '--port', 'off', '--state-dir', state]
  return startProcess([executable, ...args])
}

/** @returns ms from each start until the server was sent the first poll */
async function timeStarts({ signal, say }: Bench, stack: BenchStack, starts: number): Promise<number[]> {
  say(`agent: ${starts} starts`)
  const times: number[] = []
  for (let start = 0; start < starts; start += 1) {
    signal.throwIfAborted()
    const watch = await watchPolls(stack.url)
    const startedAt = performance.now()
    const started = startAgent(stack, watch.url)
    const inTime = new AbortController()
    const late = pause(LATE_MS, inTime.signal).then(() => Number.NaN)
    times.push((await Promise.race([watch.polledAt, late])) - startedAt)
    inTime.abort()
    await started.stop()
    watch.stop()
  }
  return times
}

interface Waiting {
  freshKiB: number
  /** Of one core. */
  share: number
  jobs: { size: number; kib: number; firstMs: number; nextMs: number }[]
}

async function wait({ folder, signal, say }: Bench, stack: BenchStack, minutes: number): Promise<Waiting> {
  const file = join(folder, 'file')
  const started = startAgent(stack, stack.url, file)
  try {
    const settle = async (): Promise<number> => {
      await pause(SETTLED_MS, signal)
      signal.throwIfAborted()
      return residentKiB(started.pid)
    }
    const freshKiB = await settle()
    say(`agent: it waits for ${minutes} min`)
    const meter = await startMeter(started.pid)
    await pause(minutes * 60_000, signal)
    const { cpu } = await meter.stop()
    const jobs: Waiting['jobs'] = []
    for (const size of SIZES) {
      await writeRandomFile(file, size)
      const firstMs = await timeOfJob(stack)
      const nextMs = await timeOfJob(stack)
      jobs.push({ size, firstMs, nextMs, kib: await settle() })
    }
    return { freshKiB, share: cpu / (minutes * 60), jobs }
  } finally {
    await started.stop()
  }
}

async function timeOfJob(stack: BenchStack): Promise<number> {
  const askedAt = performance.now()
  await finished(stack, await ask(stack, SITE))
  return performance.now() - askedAt
}

/** Between an agent and its server, sees when the first poll comes by. */
async function watchPolls(server: string): Promise<{ url: string; polledAt: Promise<number>; stop(): void }> {
  const { hostname, port } = new URL(server)
  const { promise: polledAt, resolve } = Promise.withResolvers<number>()
  const sockets = new Set<Socket>()
  const relay = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => void (near.destroy(), far.destroy()))
    }
    near.on('data', (data) => {
      if (data.includes('GET /jobs?')) resolve(performance.now())
    })
    near.pipe(far).pipe(near)
  })
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return {
    url: `http://127.0.0.1:${(relay.address() as AddressInfo).port}`,
    polledAt,
    stop() {
      relay.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
