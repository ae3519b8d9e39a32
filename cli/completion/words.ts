import { Help, type Argument, type Command, type Option } from 'commander'
import { parseDownloadId } from '../options.ts'

/** A word that can stand next, and what it is, for shells that show that. */
export interface Candidate {
  word: string
  about: string
}

/** What only the server knows, or the shell. */
export type Source = 'clients' | 'downloads' | 'files'

/** What commander itself shows with --help, of a command and of all. */
const help = Object.assign(new Help(), { showGlobalOptions: true })

/** What can stand at the end of a command line. */
export interface Next {
  /** Known here. They need not begin as `typed` does. */
  candidates: Candidate[]
  source?: Source | undefined
  /** What there is of the word. */
  typed: string
  /** What stands before it within the same word: `--client=`. */
  prefix: string
  command: Command
  /** The address that was given with --server. */
  server?: string | undefined
}

/**
 * What can stand at the end of a command line, by what the commands themselves say.
 * @param broken after the program's name; the last one is being typed, and may be empty
 */
export function nextWord(program: Command, broken: readonly string[]): Next {
  const words = unbroken(broken)
  const last = words.at(-1) ?? ''
  const { command, position, awaiting, isPlain, server } = read(program, words.slice(0, -1))
  const next = { typed: last, prefix: '', command, server }
  if (awaiting && !endsValues(awaiting, last))
    return { ...next, typed: last === '=' ? '' : last, ...valuesOf(awaiting) }
  if (isPlain || !last.startsWith('-')) return { ...next, ...wordsAt(command, position) }
  const [name = '', value] = halves(last)
  const option = value === undefined ? undefined : find(command, name)
  if (option && value !== undefined) return { ...next, typed: value, prefix: `${name}=`, ...valuesOf(option) }
  return { ...next, candidates: optionsOf(command).flatMap(({ long, description }) => shown(long, description)) }
}

/** bash takes an address apart at its colons, and gives them as words of their own. */
function unbroken(words: readonly string[]): string[] {
  return words.reduce<string[]>((all, word) => {
    const before = all.at(-1)
    const goesOn = before !== undefined && (word === ':' || before.endsWith(':'))
    return goesOn ? [...all.slice(0, -1), before + word] : [...all, word]
  }, [])
}

interface Read {
  command: Command
  /** How many arguments of the command there are. */
  position: number
  /** The option whose value comes next. */
  awaiting?: Option | undefined
  /** After `--`: no word is an option. */
  isPlain: boolean
  server?: string | undefined
}

/** What the words before mean for the one that comes next. */
function read(program: Command, words: readonly string[]): Read {
  const now: Read = { command: program, position: 0, isPlain: false }
  // bash takes `--label a=b` apart at the `=`, and gives it as words of their own.
  let isGlued = false
  for (const word of words) {
    if (word === '=') isGlued = now.awaiting === undefined
    else if (isGlued) isGlued = false
    else if (now.awaiting && !endsValues(now.awaiting, word)) takeValue(now, now.awaiting, word)
    else take(now, word)
  }
  return now
}

function take(now: Read, word: string): void {
  now.awaiting = undefined
  const isOption = !now.isPlain && word.startsWith('-') && word !== '-'
  const below = now.position === 0 ? now.command.commands.find((one) => namesOf(one).includes(word)) : undefined
  if (isOption && word === '--') now.isPlain = true
  else if (isOption) {
    const [name = '', value] = halves(word)
    const option = find(now.command, name)
    if (!option || !takesValue(option)) return
    if (value === undefined) now.awaiting = option
    else takeValue(now, option, value)
  } else if (below) now.command = below
  else now.position += 1
}

function takeValue(now: Read, option: Option, value: string): void {
  if (option.long === '--server') now.server = value
  if (!option.variadic) now.awaiting = undefined
}

/** Whether the values of an option that takes many have come to their end. */
const endsValues = ({ variadic }: Option, word: string): boolean => variadic && word.startsWith('-')

const takesValue = ({ required, optional }: Option): boolean => required || optional

const namesOf = (command: Command): string[] => [command.name(), ...command.aliases()]

/** `--name=value` at its `=`. */
function halves(word: string): string[] {
  const at = word.indexOf('=')
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}

function optionsOf(command: Command): Option[] {
  return [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)]
}

function find(command: Command, name: string): Option | undefined {
  return optionsOf(command).find(({ long, short }) => name === long || name === short)
}

type Values = Pick<Next, 'candidates' | 'source'>

function valuesOf(option: Option): Values {
  const candidates = (option.argChoices ?? []).flatMap((choice) => shown(choice, ''))
  if (option.attributeName() === 'client') return { candidates, source: 'clients' }
  return { candidates, source: option.long === '--output' ? 'files' : undefined }
}

function wordsAt(command: Command, position: number): Values {
  const commands = position === 0 ? help.visibleCommands(command) : []
  const known = command.registeredArguments
  const last = known.at(-1)
  const argument = known[position] ?? (last?.variadic ? last : undefined)
  const candidates = [
    ...commands.flatMap((one) => shown(one.name(), one.description())),
    ...(argument?.argChoices ?? []).flatMap((choice) => shown(choice, '')),
  ]
  return { candidates, source: argument && sourceOf(argument) }
}

function sourceOf(argument: Argument): Source | undefined {
  if (argument.parseArg === parseDownloadId) return 'downloads'
  if (/^clients?$/.test(argument.name())) return 'clients'
  return argument.name() === 'output' ? 'files' : undefined
}

function shown(word: string | undefined, about: string): Candidate[] {
  return word === undefined ? [] : [{ word, about }]
}
