import { cp, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { numberIn } from '../helpers/number-in.ts'
import { makePlan } from './plan/index.ts'
import { reportOf, summaryOf } from './report.ts'
import { run, type Outcome, type Progress } from './run.ts'
import { impossible, type Stage } from './stage.ts'

// Breaks everything around real agents and a real server, and looks whether anything was lost.

interface Options {
  seed: number
  minutes: number
  json: boolean
  keep: boolean
}

const options = new Command('npm run chaos --')
  .description(
    'Runs a server and several agents while a seeded series of faults comes over them. Exits 1 when anything that was asked for is lost, or ended for a reason that is not true.',
  )
  .option('--seed <N>', 'the same seed makes the same plan', numberIn(0, 2 ** 32 - 1))
  .option('--minutes <M>', 'for how long faults come; 0.25 is a short run', numberIn(0.1, 600), 3)
  .option('--json', 'the result for machines', false)
  .option('--keep', 'keep the logs although nothing was lost', false)
  .parse()
  .opts<Options>()

const seed = Math.floor(options.seed ?? Math.random() * 2 ** 32)
const without = impossible()
const plan = makePlan(seed, options.minutes * 60, [...without.keys()])
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))

const say = (text: string): void => void (options.json || process.stderr.write(text))

say(`seed ${seed}: ${plan.files.length} files, ${plan.asks.length} requests, ${plan.faults.length} faults\n`)
for (const [name, why] of without) say(`left out: ${name} (${why})\n`)

function onProgress({ phase, faults, asked, open }: Progress): void {
  if (!process.stderr.isTTY) return
  const line = `${phase}: ${faults} faults, ${asked} asked for, ${open} open`
  say(`\r${line.slice(0, process.stderr.columns - 1)}\u001b[K`)
}

async function keepLogs({ wrong }: Outcome, { processes, database }: Stage): Promise<void> {
  if (wrong.length === 0 && !options.keep) return
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-chaos-'))
  for (const [index, { name, running }] of processes.entries()) {
    await writeFile(join(folder, `${String(index).padStart(3, '0')}-${name}.log`), running.output())
  }
  await cp(database, join(folder, 'backhaul.db'))
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan, null, 2))
  say(`\nlogs: ${folder}\n`)
}

try {
  const outcome = await run(plan, { onProgress, onEnd: keepLogs, signal: stop.signal })
  if (process.stderr.isTTY) say('\r\u001b[K')
  process.stdout.write(options.json ? `${JSON.stringify(summaryOf(outcome))}\n` : reportOf(outcome, without))
  process.exitCode = outcome.wrong.length === 0 ? 0 : 1
} catch (error) {
  process.stderr.write(
    `\nthe run could not be carried out: ${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = stop.signal.aborted ? 130 : 2
}
