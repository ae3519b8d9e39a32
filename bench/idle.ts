import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCrowds, type Crowds } from './idle/crowds.ts'
import { clientId } from './idle/messages.ts'
import { createOperator, type Operator } from './idle/operator.ts'
import { startBenchStack } from './stack.ts'

// So many agents held by one server over real sockets: its memory for each of them, how soon a download wakes its
// agent, and whether every poll is answered and every download heard of.
// node bench/idle.ts [--agents 10000] [--wakes 2000] [--hold MINUTES] [--together] [--processes 2]
const { values: flags } = parseArgs({
  options: {
    agents: { type: 'string', default: '10000' },
    wakes: { type: 'string', default: '2000' },
    hold: { type: 'string', default: '0' },
    processes: { type: 'string', default: '2' },
    together: { type: 'boolean', default: false },
  },
})
const agents = Number(flags.agents)
const wakes = Number(flags.wakes)
const holdMs = Number(flags.hold) * 60_000
/** One round of polls, in ms. */
const ROUND = 26_000
/** A job that its agent has not seen by then is lost, in ms. */
const LOST = 60_000

const say = (text: string): void => void process.stderr.write(`${text}\n`)

async function memoryKiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
}

/** The mean of some moments: a garbage collection comes and goes. */
async function settledKiB(pid: number): Promise<number> {
  let sum = 0
  for (let sample = 0; sample < 20; sample += 1) {
    sum += await memoryKiB(pid)
    await pause(250)
  }
  return sum / 20
}

/** User and system time so far, in seconds (/proc counts in ticks of 10 ms). */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Queues a download for an agent and takes it back. @returns ms from the request until the agent has the answer */
async function wake({ operator, crowds }: { operator: Operator; crowds: Crowds }): Promise<number> {
  const client = clientId(Math.floor(Math.random() * agents))
  const asked = await operator.call('POST', '/downloads', { clientId: client })
  if (asked.status !== 202) throw new Error(`asking was answered ${asked.status}: ${asked.body}`)
  const { id } = JSON.parse(asked.body) as { id: string }
  const seenAt = await crowds.seen(id, LOST)
  await operator.call('DELETE', `/downloads/${id}`)
  return seenAt - asked.sentAt
}

function quantiles(times: number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`
}

const stack = await startBenchStack()
let crowds: Crowds | undefined
try {
  await pause(2000)
  const emptyKiB = await settledKiB(stack.serverPid)
  say(`the server is up with ${(emptyKiB / 1024).toFixed(0)} MiB; ${agents} agents begin their sessions`)
  const begunAt = performance.now()
  crowds = await startCrowds({
    url: stack.url,
    agents,
    processes: Number(flags.processes),
    together: flags.together,
  })
  say(`all have a session after ${((performance.now() - begunAt) / 1000).toFixed(1)} s`)
  if (flags.together) crowds.poll()
  const operator = createOperator(new URL(stack.url))

  const lines: string[] = []
  const note = (line: string): void => {
    lines.push(line)
    say(line)
  }
  const noteMemory = async (when: string): Promise<void> => {
    const kib = await settledKiB(stack.serverPid)
    note(`${when}: ${((kib - emptyKiB) / agents).toFixed(1)} KiB each (${(kib / 1024).toFixed(0)} MiB resident)`)
  }

  if (flags.together) {
    const times: number[] = []
    const until = performance.now() + 4 * ROUND
    while (performance.now() < until) {
      times.push(await wake({ operator, crowds }))
      await pause(10)
    }
    note(`${times.length} wakes in the first four rounds: ${quantiles(times)}`)
  } else await pause(ROUND)
  await noteMemory('held after a round')

  const cpuBefore = await cpuSeconds(stack.serverPid)
  const measuredAt = performance.now()
  const times: number[] = []
  while (times.length < wakes || performance.now() - measuredAt < holdMs) {
    times.push(await wake({ operator, crowds }))
    // Of an hour's wakes there need not be more than some ten a second.
    await pause(times.length < wakes ? 10 : Math.random() * 200)
  }
  const seconds = (performance.now() - measuredAt) / 1000
  const cpu = (await cpuSeconds(stack.serverPid)) - cpuBefore
  note(`${times.length} wakes in ${seconds.toFixed(0)} s: ${quantiles(times)}`)
  note(`server CPU meanwhile: ${((cpu / seconds) * 100).toFixed(0)} % of one core`)
  await noteMemory('held after that')
  const tally = await crowds.tally()
  note(`polls answered: ${JSON.stringify(tally.answers)}; held: ${tally.held}; wrong: ${tally.wrong.length}`)
  for (const what of tally.wrong) note(`  ${what}`)
  operator.close()
  process.stdout.write(`${lines.join('\n')}\n`)
  if (tally.wrong.length > 0) process.exitCode = 1
} finally {
  await crowds?.stop()
  await stack.stop()
}
