import { randomFillSync } from 'node:crypto'
import { open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startProxy } from '../tests/helpers/proxy.ts'
import { ask, startBenchStack } from './stack.ts'

// How well a limit is kept, and how soon a change of it is: by the bytes that arrive behind a proxy before the server.
// node bench/limit.ts [SECONDS]
const seconds = Number(process.argv[2] ?? 30)
/** Bytes per second of 1 Mbit/s. */
const MBIT = 125_000
/** Of the line without a limit, in bytes per second. */
const LINE = 200 * MBIT
const TICK_MS = 20
const MiB = 1024 * 1024
const BLOCKS = 64
/** A rate is that of this many ms. */
const WINDOW_MS = 1000
/** Bounds: of the rate in 30 s, of the rate in a window, and of the ms until a change is in effect. */
const KEPT = 0.05
const REACHED = 0.1
const CHANGED_MS = 1000

interface Sample {
  at: number
  bytes: number
}

const stack = await startBenchStack()
const proxy = await startProxy(stack.url)
const limitFile = join(stack.folder, 'limit')
let missed = 0

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** What no chunk of it can be compressed, and is not soon sent. */
async function writeBig(path: string): Promise<void> {
  const file = await open(path, 'w')
  const block = randomFillSync(Buffer.alloc(8 * MiB))
  for (let written = 0; written < BLOCKS; written += 1) await file.write(block)
  await file.close()
}

async function setLimit(text: string): Promise<void> {
  await writeFile(`${limitFile}.new`, text)
  await rename(`${limitFile}.new`, limitFile)
}

/** What has arrived, every 20 ms for a time. */
async function record(ms: number): Promise<Sample[]> {
  const samples: Sample[] = []
  for (const end = performance.now() + ms; performance.now() < end; await pause(TICK_MS))
    samples.push({ at: performance.now(), bytes: proxy.sent() })
  return samples
}

const rateOf = (from: Sample, to: Sample): number => ((to.bytes - from.bytes) / (to.at - from.at)) * 1000

/** Bytes per second in every window, with the ms at which it begins. */
function windows(samples: Sample[]): { at: number; rate: number }[] {
  return samples.flatMap((from) => {
    const to = samples.find(({ at }) => at >= from.at + WINDOW_MS)
    return to ? [{ at: from.at, rate: rateOf(from, to) }] : []
  })
}

function say(what: string, found: string, bound: string, holds: boolean): void {
  if (!holds) missed += 1
  process.stdout.write(`${what.padEnd(44)} ${found.padEnd(26)} ${bound.padEnd(10)} ${holds ? 'kept' : 'MISSED'}\n`)
}

async function keep(mbit: number): Promise<void> {
  await setLimit(`${mbit}mbit`)
  await pause(2000)
  const samples = await record(seconds * 1000)
  const [first, last] = [samples[0], samples.at(-1)]
  if (!first || !last) throw new Error('nothing was recorded')
  const off = rateOf(first, last) / (mbit * MBIT) - 1
  const fastest = Math.max(...windows(samples).map(({ rate }) => rate)) / MBIT
  const percent = `${off >= 0 ? '+' : ''}${(off * 100).toFixed(2)} %`
  say(`${mbit} Mbit/s for ${seconds} s`, percent, `${KEPT * 100} %`, Math.abs(off) <= KEPT)
  process.stdout.write(`  the fastest ${WINDOW_MS} ms of it: ${fastest.toFixed(2)} Mbit/s\n`)
}

/** From the moment at which the file is there to the beginning of the first second with the new rate. */
async function change(before: string, after: string, mbit: number): Promise<void> {
  await setLimit(before)
  await pause(3000)
  const recording = record(4000)
  const changedAt = performance.now()
  await setLimit(after)
  const within = ({ at, rate }: { at: number; rate: number }): boolean =>
    at >= changedAt && Math.abs(rate - mbit * MBIT) <= REACHED * mbit * MBIT
  const ms = (windows(await recording).find(within)?.at ?? Number.POSITIVE_INFINITY) - changedAt
  say(`${before} → ${after}`, `after ${ms.toFixed(0)} ms`, `${CHANGED_MS} ms`, ms <= CHANGED_MS)
}

try {
  const file = join(stack.folder, 'big.bin')
  await writeBig(file)
  await setLimit('2mbit')
  proxy.slow(LINE)
  await stack.agent('site', ['--file', file, '--limit-file', limitFile], proxy.url)
  await ask(stack, 'site')
  await keep(2)
  await change('2mbit', '8mbit', 8)
  await change('8mbit', '2mbit', 2)
  await change('unlimited', '1mbit', 1)
  await change('8kbit', 'unlimited', 200)
  await change('8mbit', 'off', 0)
  await change('off', '8mbit', 8)
} finally {
  await stack.stop()
  await proxy.close()
}
process.exitCode = missed > 0 ? 1 : 0
