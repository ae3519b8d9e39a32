import { Command, Option } from 'commander'
import { agent } from './agent.ts'
import type { Bench, Part } from './bench.ts'
import { dashboard } from './dashboard.ts'
import { dispatch } from './dispatch.ts'
import { growth } from './growth.ts'
import { log } from './log.ts'
import { loopback } from './loopback.ts'
import { memory } from './memory.ts'
import { names, peerNames } from './options.ts'
import { markdownOf, writePage, type Section } from './page.ts'
import type { PeerName } from './peers/peer.ts'
import { wan } from './wan.ts'
import { createScriptPart } from './script.ts'
import { shared } from './shared.ts'
import { surroundings } from './surroundings.ts'
import { makeWorkplace } from './workplace.ts'

// Measures Backhaul against its peers.

interface Options {
  peers: PeerName[]
  folder?: string
  net?: string
  out?: string
  json: boolean
}

/** Programs of their own. */
const scripts = [
  {
    name: 'idle',
    title: 'Ten thousand waiting agents',
    description: 'polls held by one server: memory of each, and how soon a download wakes its agent',
  },
  {
    name: 'limit',
    title: 'A limit on what is sent',
    description: 'how well a limit is kept, and how soon a change of it takes effect',
  },
]

const parts: readonly Part<object>[] = [
  loopback,
  wan,
  log,
  memory,
  agent,
  dispatch,
  growth,
  dashboard,
  shared,
  ...scripts.map(createScriptPart),
]

/** Options that say nothing about what is measured. */
const ofThisMachine = ['--net', '--folder', '--out', '--json']

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)))

const program = new Command('npm run bench --')
  .description(
    'Measures Backhaul against its peers, in one run. Without a command: everything that can be measured here.',
  )
  .option('--peers <NAMES>', 'tus, nginx, ws, backhaul: only these, separated by commas', peerNames, names)
  .option('--folder <FOLDER>', 'where files are made and stored; if not given, in memory where it has the room')
  .addOption(
    new Option('--net <SCRIPT>', 'makes slow links between network namespaces, as root; left out without it').env(
      'BENCH_NET',
    ),
  )
  .option('--out <FILE>', 'write the tables into this page, each between its marks, and pictures beside it')
  .option('--json', 'every measurement, for machines', false)
  .action(() => measure(parts.map((part) => [part, part.declare(new Command(part.name)).parse([])])))

for (const part of parts) {
  const command: Command = part.declare(program.command(part.name).description(part.description))
  command.action(() => measure([[part, command]]))
}

/** Carries out the parts one after the other, and shows each as soon as it is done. */
async function measure(chosen: readonly (readonly [Part<object>, Command])[]): Promise<void> {
  const options = program.opts<Options>()
  const sections: Section[] = []
  for (const [part, command] of chosen) {
    const section = await sectionOf(part, command, options)
    if (!section) continue
    sections.push(section)
    if (!options.json) process.stdout.write(`${markdownOf(section)}\n\n`)
    if (options.out !== undefined) await writePage(options.out, [section])
  }
  if (options.json) process.stdout.write(`${JSON.stringify(sections, null, 2)}\n`)
}

async function sectionOf(part: Part<object>, command: Command, options: Options): Promise<Section | undefined> {
  const settings = command.opts<object>()
  const workplace = await makeWorkplace(options.folder, part.room(settings))
  const bench: Bench = {
    folder: workplace.folder,
    peers: options.peers,
    net: options.net,
    signal: stop.signal,
    say: (text) => void process.stderr.write(`${text}\n`),
  }
  try {
    const why = await part.lacks?.(bench)
    if (why !== undefined) {
      bench.say(`left out: ${part.name} (${why})`)
      return undefined
    }
    // A commit while it runs changes nothing of what is measured.
    const where = surroundings()
    const report = await part.run(bench, settings, command.args)
    return { report, command: commandOf(command), footer: `${where}. Stored in ${workplace.kind}.` }
  } finally {
    await workplace.remove()
  }
}

/** The command that does this again, without this machine's paths. */
function commandOf(command: Command): string {
  const given = [command, program].flatMap((each) =>
    each.options
      .filter((option) => !ofThisMachine.includes(option.long ?? ''))
      .filter((option) => each.getOptionValueSource(option.attributeName()) === 'cli')
      .map((option) => asGiven(option, each.getOptionValue(option.attributeName()))),
  )
  return ['npm run bench --', command.name(), ...command.args, ...given].join(' ')
}

const asGiven = ({ long = '' }: Option, value: unknown): string => (value === true ? long : `${long} ${String(value)}`)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(
    `the benchmark could not be carried out: ${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exitCode = stop.signal.aborted ? 130 : 2
}
