import { Command } from 'commander'

/** The flags as given; `true` is a flag that lacks its value. */
export interface Flags {
  id?: string | true
  server?: string | true
  file?: string | true
  root?: (string | true)[]
  allow?: (string | true)[]
  deny?: (string | true)[]
  label?: (string | true)[]
  maxSize?: string | true
  chunkSize?: string | true
  limit?: string | true
  limitFile?: string | true
  logFile?: string | true
  direct?: string | true
  settings?: string | true
  stateDir?: string | true
  enrolFile?: string | true
  keyDays?: string | true
  ca?: string | true
  pin?: string | true
  cert?: string | true
  key?: string | true
  port?: string | true
  sample?: boolean
  /** What is not known to the agent. */
  unknown: string[]
}

/** Flags that may be repeated. */
type Many = 'root' | 'allow' | 'deny' | 'label'

/** The variable of each flag that is given once. */
export const variables = {
  id: 'CLIENT_ID',
  server: 'SERVER_URL',
  file: 'FILE',
  chunkSize: 'CHUNK_SIZE',
  maxSize: 'MAX_SIZE',
  limit: 'LIMIT',
  limitFile: 'LIMIT_FILE',
  logFile: 'LOG_FILE',
  direct: 'DIRECT',
  stateDir: 'STATE_DIR',
  ca: 'CA_FILE',
  pin: 'SERVER_PIN',
  cert: 'CLIENT_CERT',
  key: 'CLIENT_KEY',
  enrolFile: 'ENROL_FILE',
  keyDays: 'KEY_DAYS',
  port: 'CLIENT_PORT',
} as const

/** `chunkSize` as it is typed: `--chunk-size`. */
export const typed = (flag: string): string => `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

const examples = `
Every flag has a variable of the environment as well; the flag wins. A container or a service sets the variables.
HTTPS_PROXY, HTTP_PROXY (http://USER:PASSWORD@HOST:PORT) and NO_PROXY say how to get out.
'service install' makes a service of it, 'service status' says how it is, 'service uninstall' removes it.

Examples:
  npm run agent -- --id restaurant_1 --server https://backhaul.example.com
  npm run agent -- --id restaurant_1 --server https://backhaul.example.com --enrol-file enrol-token --key-days 90
  npm run agent -- --id restaurant_1 --file /var/lib/pos/report.csv
  npm run agent -- --id restaurant_1 --root /var/log/pos --root /srv/menus --label region=west
  npm run agent -- --id restaurant_1 --limit 'mon-fri 08:00-22:00 2mbit, sat 10:00-14:00 30%, else unlimited'
  CLIENT_ID=restaurant_1 SERVER_URL=http://localhost:3000 npm run agent`

/** For flags that may be repeated. */
export const collect = (value: string, previous: unknown): (string | true)[] => [
  ...(Array.isArray(previous) ? (previous as string[]) : []),
  value,
]

/** A command with every flag of the agent. The values are optional for commander, so that it does not stop at the first mistake. */
export function agentCommand(name: string): Command {
  return new Command(name)
    .option('--id [ID]', 'the name of this site: 1 to 64 of A-Z a-z 0-9 . _ - (CLIENT_ID)')
    .option('--server [URL]', 'where the server is (SERVER_URL, default http://localhost:3000)')
    .option('--file [PATH]', 'the default file (FILE, default $HOME/file_to_download.txt)')
    .option(
      '--root [FOLDER]',
      'share what lies under this folder; may be repeated (ROOTS, separated by : or, on Windows, ;)',
      collect,
    )
    .option('--allow [GLOB]', 'of the roots only what matches; may be repeated (ALLOW, as ROOTS)', collect)
    .option('--deny [GLOB]', 'nothing that matches; may be repeated (DENY, as ROOTS)', collect)
    .option('--max-size [SIZE]', 'no larger files: bytes, or 512KiB, 1GB (MAX_SIZE)')
    .option('--label [KEY=VALUE]', 'what the site is known by; may be repeated (LABELS, separated by commas)', collect)
    .option('--chunk-size [SIZE]', 'send at most this much in one request: bytes, or 512KiB, 1MiB, 1MB (CHUNK_SIZE)')
    .option('--limit [LIMIT]', 'send no faster: 2mbit, 250KB/s, 30%, off, or a timetable as below (LIMIT)')
    .option('--limit-file [FILE]', 'the same in a file, which may change at any time (LIMIT_FILE)')
    .option(
      '--state-dir [FOLDER]',
      'what must be remembered (STATE_DIR, default backhaul-agent/ID in ~/.local/state, %LOCALAPPDATA% or ~/Library/Application Support)',
    )
    .option('--log-file [FILE]', 'write the log there and not to standard output, 10 to 20 MB of it (LOG_FILE)')
    .option('--settings [FILE]', 'variables as below, in lines of NAME=VALUE; those of the environment win')
    .option('--direct [ON]', 'on, or off: send to no other address than the server (DIRECT, default on)')
    .option('--key-days [N]', 'a key of the site that is older is replaced; 0: at every session (KEY_DAYS)')
    .option('--ca [FILE]', 'trust these certificate authorities, and no others (CA_FILE)')
    .option('--pin [PIN]', "the server's key must be this one, too: sha256//BASE64 (SERVER_PIN)")
    .option('--cert [FILE]', 'show this certificate to the server (CLIENT_CERT)')
    .option('--key [FILE]', 'the key of that certificate (CLIENT_KEY)')
    .option(
      '--enrol-file [FILE]',
      'holds the token that this site is enrolled with, once (ENROL_FILE, or ENROL_TOKEN itself)',
    )
    .option('--port [PORT]', 'GET /status on 127.0.0.1; 0 for any port, off for none (CLIENT_PORT, default 8080)')
    .configureHelp({ optionTerm: ({ flags }) => flags.replace('[', '<').replace(']', '>') })
    .allowUnknownOption()
    .allowExcessArguments()
    .exitOverride()
}

/**
 * Reads the command line. `--help` and `--version` are answered by commander, which then throws a CommanderError.
 * @param argv without the interpreter and the script
 */
export function parseFlags(argv: readonly string[], version: string): Flags {
  const program = agentCommand('backhaul-agent')
    .description('Serves files of this machine to a Backhaul server, over outbound HTTP only.')
    .option('--sample', 'make the default file if it is missing, and be client-1 without --id: to try things out')
    .version(version)
    .addHelpText('after', examples)
    .parse(argv, { from: 'user' })
  return flagsOf(program)
}

/** What a command was given. */
export function flagsOf(program: Command): Flags {
  const { root, allow, deny, label, ...single } = program.opts<Omit<Flags, 'unknown' | Many> & Record<Many, unknown>>()
  const lists = { ...many('root', root), ...many('allow', allow), ...many('deny', deny), ...many('label', label) }
  return { ...single, ...lists, unknown: program.args }
}

function many<K extends string>(name: K, value: unknown): Partial<Record<K, (string | true)[]>> {
  if (value === undefined) return {}
  const list: (string | true)[] = Array.isArray(value) ? value : [true]
  return { [name]: list } as Record<K, (string | true)[]>
}
