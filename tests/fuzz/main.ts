import { Command } from 'commander'
import { createRandom } from '../chaos/random.ts'
import { numberIn } from '../helpers/number-in.ts'
import { fuzzAgents } from './agent.ts'
import { fuzzServer } from './server.ts'

// Sends a real server what no program of ours would, answers real agents likewise, and looks whether all stand as before.

const options = new Command('npm run fuzz --')
  .description(
    'Attacks a server of its own on every route, and agents with what they are answered. Exits 1 when one fails, leaks, tells or writes what it must not.',
  )
  .option('--seed <N>', 'the same seed makes the same requests', numberIn(0, 2 ** 32 - 1))
  .option('--minutes <M>', 'for how long', numberIn(0.05, 600), 10)
  .option('--json', 'the result for machines', false)
  .parse()
  .opts<{ seed?: number; minutes: number; json: boolean }>()

const seed = Math.floor(options.seed ?? Math.random() * 2 ** 32)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))
const begun = performance.now()
const half = options.minutes * 30_000

let shownAt = 0
function onProgress(requests: number): void {
  const now = performance.now()
  if (!process.stderr.isTTY || options.json || now - shownAt < 500) return
  shownAt = now
  const rate = Math.round((requests / (now - begun)) * 1000)
  process.stderr.write(
    `\r${requests} requests, ${rate}/s, ${Math.max(0, Math.ceil((begun + 2 * half - now) / 1000))} s left\u001b[K`,
  )
}

// Half of the time for each: together they would take the processor from each other.
const server = await fuzzServer({
  random: createRandom(seed),
  until: performance.now() + half,
  signal: stop.signal,
  onProgress,
})
const agents = await fuzzAgents({
  random: createRandom(seed + 1),
  until: performance.now() + half,
  signal: stop.signal,
  onProgress: () => onProgress(server.requests),
})
const result = { ...server, answers: agents.answers, wrong: [...server.wrong, ...agents.wrong] }
if (process.stderr.isTTY && !options.json) process.stderr.write('\r\u001b[K')
if (options.json) process.stdout.write(`${JSON.stringify({ seed, ...result })}\n`)
else {
  const statuses = Object.entries(result.statuses).map(([status, count]) => `${status}: ${count}`)
  process.stdout.write(
    `seed ${seed}: ${result.requests} requests\nanswers: ${statuses.join(', ')}\n${result.answers} answers to agents\n`,
  )
  for (const wrong of result.wrong) process.stdout.write(`\nWRONG: ${wrong}\n`)
  if (result.wrong.length === 0)
    process.stdout.write('Nothing failed, nothing leaked, and nothing was written that should not be.\n')
}
process.exitCode = result.wrong.length === 0 ? 0 : 1
