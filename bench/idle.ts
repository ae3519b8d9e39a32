import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCrowds, type Crowds } from './idle/crowds.ts'
import { clientId } from './idle/messages.ts'
import { atPace, createOperator, type Operator } from './idle/operator.ts'
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
/** A download is queued every so many ms; of an hour's, every so many on average. */
const PACE = 20
const HOLD_PACE = 100
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

/** Queues a download for an agent, and takes it back. @returns when the agent had the answer, as `machineMs` */
async function wake({ operator, crowds }: { operator: Operator; crowds: Crowds }): Promise<number> {
  const client = clientId(Math.floor(Math.random() * agents))
  const asked = await operator.call('POST', '/downloads', { clientId: client })
  if (asked.status !== 202) throw new Error(`asking was answered ${asked.status}: ${asked.body}`)
  const { id } = JSON.parse(asked.body) as { id: string }
  const seenAt = await crowds.seen(id, LOST)
  await operator.call('DELETE', `/downloads/${id}`)
  return seenAt
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
  const held = crowds
  if (flags.together) held.poll()
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

  /** So many wakes, one every so many ms. */
  const noteWakes = async (count: number, everyMs: number, random: boolean): Promise<void> => {
    const cpuBefore = await cpuSeconds(stack.serverPid)
    const measuredAt = performance.now()
    const pace = random ? () => Math.random() * 2 * everyMs : () => everyMs
    const times = await atPace(count, pace, () => wake({ operator, crowds: held }))
    const seconds = (performance.now() - measuredAt) / 1000
    const cpu = (await cpuSeconds(stack.serverPid)) - cpuBefore
    const share = ((cpu / seconds) * 100).toFixed(0)
    note(`${count} wakes in ${seconds.toFixed(0)} s: ${quantiles(times)}; server CPU ${share} % of one core`)
  }

  if (flags.together) await noteWakes((4 * ROUND) / PACE, PACE, false)
  else await pause(ROUND)
  await noteMemory('held after the first polls')
  await noteWakes(wakes, PACE, false)
  await noteMemory('held after that')
  if (holdMs > 0) {
    await noteWakes(Math.ceil(holdMs / HOLD_PACE), HOLD_PACE, true)
    await noteMemory(`held after ${flags.hold} min`)
  }
  const tally = await held.tally()
  note(`polls answered: ${JSON.stringify(tally.answers)}; held: ${tally.held}; wrong: ${tally.wrong.length}`)
  for (const what of tally.wrong) note(`  ${what}`)
  operator.close()
  process.stdout.write(`${lines.join('\n')}\n`)
  if (tally.wrong.length > 0) process.exitCode = 1
} finally {
  await crowds?.stop()
  await stack.stop()
}
