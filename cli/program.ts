import { Command, type OutputConfiguration } from 'commander'
import { addAudit } from './commands/audit.ts'
import { addCancel, addRetry } from './commands/change.ts'
import { addClients } from './commands/clients.ts'
import { addCompletion } from './commands/completion.ts'
import { addDownload } from './commands/download.ts'
import { addDownloads } from './commands/downloads.ts'
import { addEnrol } from './commands/enrol.ts'
import { addFetch } from './commands/fetch.ts'
import { addLogin } from './commands/login.ts'
import { addStatus } from './commands/status.ts'
import { addTokens } from './commands/tokens.ts'
import { addUpdate } from './commands/update.ts'
import { addWatch } from './commands/watch.ts'
import type { Connect, Surroundings } from './context.ts'
import { exitCodeHelp } from './exit-codes.ts'
import { parseServerOption } from './options.ts'
import { defaultServer } from './server-url.ts'

const commands = [
  addClients,
  addDownload,
  addFetch,
  addStatus,
  addDownloads,
  addWatch,
  addCancel,
  addRetry,
  addUpdate,
  addLogin,
  addTokens,
  addEnrol,
  addAudit,
  addCompletion,
]

const examples = `
Examples:
  backhaul clients                              who is online
  backhaul download restaurant_1                ask for the default file of restaurant_1
  backhaul download restaurant_sf menu.txt      the same, wait, and save it as menu.txt
  backhaul download restaurant_1 --path /var/log/till.log --wait
  backhaul fetch restaurant_1 till.log -o -     a file straight to standard output
  backhaul status ID --wait                     wait for the end of a download
  backhaul downloads --status failed --json     for a script
  backhaul watch                                what is under way, as it goes
  backhaul --server https://hub.example clients

Where the server wants a token: backhaul login keeps one, BACKHAUL_TOKEN gives one.
For TLS: CA_FILE (authorities to trust, and no others), SERVER_PIN (sha256//BASE64), CLIENT_CERT and CLIENT_KEY.

On a terminal: tables, and bars on standard error. Elsewhere: plain lines, fields separated by tabs, without a heading.

${exitCodeHelp}`

/** The program with all its commands. It throws CommanderError where commander would end the process. */
export function createProgram({ stdout, stderr, version }: Surroundings, connect: Connect): Command {
  const program = new Command('backhaul')
    .exitOverride()
    .configureOutput(outputOn({ stdout, stderr }))
    .configureHelp({ showGlobalOptions: true })
    .description(
      'Fetches files from sites that nobody can reach: asks a Backhaul server, which the sites ask for work.',
    )
    .option('--server <url>', `address of the server (or SERVER_URL; ${defaultServer} if neither)`, parseServerOption)
    .option('--json', 'print the answer of the server as one JSON document')
    .option('-q, --quiet', 'print results only: no progress, no remarks')
    .version(version, '-V, --version', 'print the version')
    .addHelpText('after', examples)
  for (const add of commands) add(program, connect)
  return program
}

function outputOn({ stdout, stderr }: Pick<Surroundings, 'stdout' | 'stderr'>): OutputConfiguration {
  return {
    writeOut: (text) => void stdout.write(text),
    writeErr: (text) => void stderr.write(text),
    getOutHasColors: () => stdout.isTTY === true,
    getErrHasColors: () => stderr.isTTY === true,
    outputError: (text, write) => {
      const message = text
        .replace(/^error: /, '')
        .replace(/\s*\n\s*/g, ' ')
        .trim()
      write(`backhaul: ${message}${/[.)?]$/.test(message) ? '' : '.'} See --help. (usage)\n`)
    },
  }
}
