import { parseArgs } from 'node:util'
import { pause } from '../shared/wait.ts'
import { enrolAll } from '../tests/helpers/admin.ts'
import { startCrowds, type Crowds } from './idle/crowds.ts'
import { atPace, createOperator } from './idle/operator.ts'
import { processorOf, residentKiB } from './idle/usage.ts'
import { wake } from './idle/wake.ts'
import { judge, rounded, type Verdict } from './report.ts'
import { startBenchStack } from './stack.ts'
import { quantile } from './statistics.ts'

// So many agents held by one server over real sockets: its memory for each of them, how soon a download wakes its
// agent, and whether every poll is answered and every download heard of.
// node bench/idle.ts [--agents 10000] [--wakes 2000] [--hold MINUTES] [--together] [--tokens] [--processes 2] [--folder FOLDER]
const { values: flags } = parseArgs({
  options: {
    agents: { type: 'string', default: '10000' },
    wakes: { type: 'string', default: '2000' },
    hold: { type: 'string', default: '0' },
    processes: { type: 'string', default: '2' },
    together: { type: 'boolean', default: false },
    tokens: { type: 'boolean', default: false },
    folder: { type: 'string' },
  },
})
const agents = Number(flags.agents)
const wakes = Number(flags.wakes)
const holdMs = Number(flags.hold) * 60_000
/** A download is queued every so many ms; while polls are only held, every so many on average. */
const PACE = 20
const HOLD_PACE = 100
/** One round of polls, in ms. */
const ROUND = 26_000

const say = (text: string): void => void process.stderr.write(`${text}\n`)

const stack = await startBenchStack({
  tokens: flags.tokens,
  ...(flags.folder === undefined ? {} : { folder: flags.folder }),
})
let crowds: Crowds | undefined
const stop = async (): Promise<void> => {
  await crowds?.stop()
  await stack.stop()
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stop().finally(() => process.exit(130)))
}

try {
  await pause(2000)
  const emptyKiB = await residentKiB(stack.serverPid)
  say(`the server is up with ${(emptyKiB / 1024).toFixed(0)} MiB; ${agents} agents begin their sessions`)
  const begunAt = performance.now()
  const held = await startCrowds({
    url: stack.url,
    agents,
    processes: Number(flags.processes),
    together: flags.together,
    enrolTokens: flags.tokens ? await Promise.all([1, 2, 3, 4].map(() => enrolAll(stack.url, stack.headers))) : [],
  })
  crowds = held
  say(`all have a session after ${((performance.now() - begunAt) / 1000).toFixed(1)} s`)
  if (flags.together) held.poll()
  const operator = createOperator(new URL(stack.url), stack.headers)

  const lines: string[] = []
  const note = (line: string): void => {
    lines.push(line)
    say(line)
  }

  /** @returns KiB for each agent */
  const measureMemory = async (when: string): Promise<number> => {
    const kib = await residentKiB(stack.serverPid)
    const each = (kib - emptyKiB) / agents
    note(`${when}: ${each.toFixed(1)} KiB each (${(kib / 1024).toFixed(0)} MiB resident)`)
    return each
  }

  /** So many wakes, one every so many ms. @returns ms from the request to the agent, of each */
  const measureWakes = async (count: number, everyMs: () => number): Promise<number[]> => {
    const before = await processorOf(stack.serverPid)
    const measuredAt = performance.now()
    const times = await atPace(count, everyMs, () => wake({ operator, crowds: held, agents }))
    const seconds = (performance.now() - measuredAt) / 1000
    const after = await processorOf(stack.serverPid)
    const [p50, p99, longest] = [0.5, 0.99, 1].map((share) => quantile(times, share).toFixed(1))
    const share = (of: 'ran' | 'waited'): string => (((after[of] - before[of]) / seconds) * 100).toFixed(0)
    note(`${count} wakes in ${seconds.toFixed(0)} s: p50 ${p50} ms, p99 ${p99} ms, longest ${longest} ms`)
    note(
      `  the server's main thread ran ${share('ran')} % of the time, and waited ${share('waited')} % for a processor`,
    )
    return times
  }

  if (flags.together) {
    note('all polls begin in the same moment:')
    await measureWakes((4 * ROUND) / PACE, () => PACE)
  } else await pause(ROUND)
  await measureMemory('held after the first polls')
  const times = await measureWakes(wakes, () => PACE)
  let each = await measureMemory('held after that')
  if (holdMs > 0) {
    await measureWakes(Math.ceil(holdMs / HOLD_PACE), () => Math.random() * 2 * HOLD_PACE)
    each = await measureMemory(`held after ${flags.hold} min`)
  }

  const { answers, wrong } = await held.tally()
  note(`polls answered with 204: ${answers['204'] ?? 0}, with 200: ${answers['200'] ?? 0}; wrong: ${wrong.length}`)
  for (const what of wrong) note(`  ${what}`)
  const verdicts: Verdict[] = [
    judge('memory of each', each, 'at most', 24, 'KiB'),
    judge('wake, p50', quantile(times, 0.5), 'at most', 3, 'ms'),
    judge('wake, p99', quantile(times, 0.99), 'at most', 25, 'ms'),
    judge('polls lost, and what else is wrong', wrong.length, 'at most', 0, ''),
  ]
  for (const { what, value, bound, unit, ok } of verdicts) {
    note(`${what}: ${rounded(value)} ${unit}, at most ${bound} ${unit} wanted: ${ok ? 'ok' : 'SHORT'}`)
  }
  operator.close()
  process.stdout.write(`${lines.join('\n')}\n`)
  if (wrong.length > 0) process.exitCode = 1
} finally {
  await stop()
}
