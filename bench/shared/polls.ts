import { pause } from '../../shared/wait.ts'
import { enrolAll } from '../../tests/helpers/admin.ts'
import { startCrowds, type Crowds } from '../idle/crowds.ts'
import { atPace, createOperator } from '../idle/operator.ts'
import { residentKiB } from '../idle/usage.ts'
import { wake } from '../idle/wake.ts'
import { startMeter } from '../meter.ts'
import { judge, rounded, table } from '../report.ts'
import type { BenchStack } from '../stack.ts'
import { quantile } from '../statistics.ts'
import type { Measure, SharedOptions, Surroundings } from './measurement.ts'

/** Processes that the agents are in. */
const PROCESSES = 2
/** One round of polls, in ms. */
const ROUND = 26_000
/** A download is queued every so many ms: 1.7 million a day. */
const PACE = 50
/** How often one enrolment token is used is counted: so many are made. */
const TOKENS = 4

interface Held {
  /** Polls that were answered in the time that was measured. */
  polls: number
  transactions: number
  /** Cores of the server, while polls are only held and answered. */
  cores: number
  /** KiB of the server for each agent. */
  each: number
  /** ms of each wake. */
  wakes: number[]
  wrong: string[]
}

/** Polls held by one server on PostgreSQL: what each costs, and how soon it is woken. */
export const polls: Measure = async (surroundings, options) => {
  const without = await hold(false, surroundings, options)
  const withTokens = await hold(true, surroundings, options)
  const { agents, seconds, wakes } = options
  const row = (title: string, { polls: count, transactions, cores, each, wakes: times }: Held): string[] => [
    title,
    String(count),
    rounded(transactions / count),
    rounded(cores),
    rounded(each),
    ...[0.5, 0.99].map((share) => rounded(quantile(times, share))),
  ]
  const wrong = [...without.wrong, ...withTokens.wrong]
  return {
    about:
      `**Polls held by one server**: ${agents} agents that wait, for ${Math.max(seconds, ROUND / 1000)} s after a first round; then ${wakes} downloads, one every ${PACE} ms, each from the request to the agent's answer. ` +
      'Transactions are those that PostgreSQL committed while polls were only held and answered.',
    tables: [
      table(
        ['', 'polls answered', 'transactions per poll', 'server, cores', 'KiB each', 'wake p50 ms', 'p99 ms'],
        [row('without tokens', without), row('with tokens', withTokens)],
      ),
    ],
    verdicts: [judge('polls lost, and what else is wrong', wrong.length, 'at most', 0, '')],
    leftOut: [],
    runs: { without, withTokens },
  }
}

async function hold(tokens: boolean, { place, signal, say }: Surroundings, options: SharedOptions): Promise<Held> {
  const { agents } = options
  signal.throwIfAborted()
  say(`shared, polls: ${agents} agents ${tokens ? 'with' : 'without'} tokens begin their sessions`)
  const servers = await place.start({ tokens })
  let crowds: Crowds | undefined
  try {
    const server = servers.all[0]!
    await pause(2000)
    const empty = await residentKiB(server.serverPid)
    crowds = await startCrowds({
      url: server.url,
      agents,
      processes: PROCESSES,
      together: false,
      enrolTokens: tokens ? await enrolTokens(server) : [],
    })
    await pause(ROUND)
    const heard = async (): Promise<number> => answersOf(await crowds!.tally())
    const [answers, work, meter] = [await heard(), await servers.work(), await startMeter(server.serverPid)]
    const begun = performance.now()
    await pause(Math.max(options.seconds * 1000, ROUND))
    const elapsed = (performance.now() - begun) / 1000
    const counted = (await heard()) - answers
    const { transactions } = await servers.work()
    const { cpu } = await meter.stop()
    const times = await wakesOf(server, crowds, options)
    return {
      polls: counted,
      transactions: transactions - work.transactions,
      cores: cpu / elapsed,
      each: ((await residentKiB(server.serverPid)) - empty) / agents,
      wakes: times,
      wrong: (await crowds.tally()).wrong,
    }
  } finally {
    await crowds?.stop()
    await servers.stop()
  }
}

const enrolTokens = (server: BenchStack): Promise<string[]> =>
  Promise.all(Array.from({ length: TOKENS }, () => enrolAll(server.url, server.headers)))

const answersOf = ({ answers }: { answers: Record<string, number> }): number =>
  Object.values(answers).reduce((sum, each) => sum + each, 0)

async function wakesOf(server: BenchStack, crowds: Crowds, { agents, wakes }: SharedOptions): Promise<number[]> {
  const operator = createOperator(new URL(server.url), server.headers)
  try {
    return await atPace(
      wakes,
      () => PACE,
      () => wake({ operator, crowds, agents }),
    )
  } finally {
    operator.close()
  }
}
