import { readFile } from 'node:fs/promises'
import { Argument, type Command } from 'commander'
import { printable } from '../../shared/format.ts'
import { clientIds, downloadIds } from '../completion/ids.ts'
import { nextWord, type Candidate, type Next, type Source } from '../completion/words.ts'
import type { Connect } from '../context.ts'
import { parseServerOption } from '../options.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

/** Whoever presses Tab waits so long for the server, in ms, and then does without. */
const PATIENCE = 800

const examples = `
The script asks this program with each Tab, so it fits every version of it; for ids of clients and downloads this program asks
the server, as it is logged in, for less than a second.

Examples:
  backhaul completion bash > ~/.local/share/bash-completion/completions/backhaul
  backhaul completion zsh > "\${fpath[1]}/_backhaul"
  backhaul completion fish > ~/.config/fish/completions/backhaul.fish
  source <(backhaul completion bash)            for this shell alone; zsh likewise, after compinit`

/** `backhaul completion SHELL`, and `backhaul complete`, which the scripts call. */
export function addCompletion(program: Command, connect: Connect): void {
  program
    .command('completion')
    .description('print the script that completes commands, options and ids in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .addHelpText('after', examples)
    .action(async (shell: Shell, _flags: unknown, command: Command) => {
      print(command, await readFile(new URL(`../completion/backhaul.${shell}`, import.meta.url), 'utf8'))
    })
  program
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[], _flags: unknown, command: Command) => {
      for (const line of await complete(nextWord(program, words), command, connect)) print(command, `${line}\n`)
    })
}

/** Without a context: that would want an address that can be used. */
function print(command: Command, text: string): void {
  command.configureOutput().writeOut?.(text)
}

/** A word and what it is in each line, with a tab between; `:files` where the shell knows more. */
async function complete(next: Next, command: Command, connect: Connect): Promise<string[]> {
  const { candidates, source, typed, prefix } = next
  const asked =
    source === undefined || source === 'files' ? [] : await askedServer({ ...next, source }, command, connect)
  const lines = [...candidates, ...asked]
    .filter(({ word }) => word.startsWith(typed))
    .map(({ word, about }) => `${prefix}${word}\t${printable(about)}`)
  return source === 'files' ? [...lines, ':files'] : lines
}

async function askedServer(
  { source, typed, server, command: about }: Next & { source: Source },
  command: Command,
  connect: Connect,
): Promise<Candidate[]> {
  try {
    if (server !== undefined) command.setOptionValue('server', parseServerOption(server))
    const { api, leave } = connect(command)
    const late = setTimeout(() => leave(new Error('It took too long.')), PATIENCE)
    try {
      return source === 'clients' ? await clientIds(api, typed) : await downloadIds(api, about.name())
    } finally {
      clearTimeout(late)
    }
  } catch {
    // Somebody has pressed Tab: what is wrong with the address, the token or the server, the command itself will say.
    return []
  }
}
