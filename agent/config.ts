import { readFileSync } from 'node:fs'
import { ConfigError, readEnvironment, type Environment, type EnvReader } from '../shared/env.ts'
import { messageOf, systemCode } from '../shared/errors.ts'
import { withoutUser } from '../shared/format.ts'
import { logLevels, type LogLevel } from '../shared/log.ts'
import { clientIdSchema, labelsSchema } from '../shared/protocol.ts'
import { proxyTo, readProxy, type Proxy } from '../shared/proxy.ts'
import { readTls, type TlsOptions } from '../shared/tls.ts'
import { parseSize } from '../shared/units.ts'
import { unlimited } from './bandwidth.ts'
import { stateHome } from './platform/folders.ts'
import { pathRulesOf, type PathRules } from './platform/paths.ts'
import { parseFlags, typed, variables, type Flags } from './flags.ts'
import { compileGlob } from './rules.ts'
import { readVariables } from './service/env-file.ts'
import { always, parseTimetable, type Timetable } from './timetable.ts'

export interface AgentConfig {
  clientId: string
  /** Without a trailing slash. */
  server: string
  /** On the way to the server, if there is one. */
  proxy: Proxy | undefined
  /** On the way to another URL. @throws ConfigError when the variable for it is mistaken */
  proxyOf: (url: URL) => Proxy | undefined
  tls: TlsOptions
  /** Whether chunks may go to other addresses than the server's. */
  direct: boolean
  /** The default file, absolute. */
  file: string
  /** Whether `file` is the one that is shared when nothing is said. */
  fileIsDefault: boolean
  /** Absolute. */
  roots: string[]
  /** Globs of what is meant of the roots; empty for everything. */
  allow: string[]
  deny: string[]
  /** Bytes of the largest file that is sent. */
  maxSize: number | undefined
  labels: Record<string, string>
  /** The user's own limit on chunks, in bytes. */
  chunkSize: number | undefined
  /** What may be sent when. */
  limit: Timetable
  /** A file whose text counts instead while it is there, absolute. */
  limitFile: string | undefined
  /** Where the log goes instead of standard output, absolute. */
  logFile: string | undefined
  stateDir: string
  /** Files given here that hold a secret, absolute. */
  secrets: string[]
  /** What the site gets its credential for, once. */
  enrolToken: string | undefined
  /** How old the site's key may become, in ms; undefined for any age. */
  keyAge: number | undefined
  /** Of `GET /status` on loopback; 0 for any, undefined for none. */
  port: number | undefined
  /** Where root's part says how an update ended; undefined where the agent is not updated from its server. */
  updateOutcome: string | undefined
  logLevel: LogLevel
  sample: boolean
}

export interface ConfigInput {
  argv: readonly string[]
  env: Environment
  /** The file that is shared when nothing is said. */
  defaultFile: string
  home: string
  version: string
  /** As `process.platform` has it. */
  platform?: NodeJS.Platform
}

const tlsNames = {
  ca: '--ca (CA_FILE)',
  pin: '--pin (SERVER_PIN)',
  cert: '--cert (CLIENT_CERT)',
  key: '--key (CLIENT_KEY)',
}
const MAX_ROOTS = 99
const SMALLEST_CHUNK = 1024

/**
 * Reads flags and environment; a flag wins over its variable, lists are joined.
 * @throws ConfigError naming every mistake; CommanderError after `--help` and `--version`
 */
export function readConfig(input: ConfigInput): AgentConfig {
  const { argv, defaultFile, version, platform = process.platform } = input
  const paths = pathRulesOf(platform)
  const { basename, join, resolve } = paths.path
  const flags = parseFlags(argv, version)
  const settings = typeof flags.settings === 'string' ? resolve(flags.settings) : undefined
  const env = { ...(settings === undefined ? {} : readSettings(settings, platform)), ...input.env }
  const reader = readEnvironment(merge(flags, env))
  const sample = flags.sample ?? false
  const file = reader.text('--file (FILE)', defaultFile)
  const clientId = reader.parsed('--id (CLIENT_ID)', sample ? 'client-1' : '', parseId)
  const limitFile = reader.text('--limit-file (LIMIT_FILE)', '')
  const logFile = reader.text('--log-file (LOG_FILE)', '')
  const credentials = env['CREDENTIALS_DIRECTORY'] ?? ''
  const credential = credentials === '' ? '' : join(credentials, 'enrol-token')
  const server = reader.parsed('--server (SERVER_URL)', 'http://localhost:3000', parseServer)
  const config = {
    clientId: clientId ?? '',
    server: server ?? '',
    proxy: server === undefined ? undefined : readProxy(reader, new URL(server)),
    proxyOf: (url: URL) => proxyTo(env, url),
    tls: server === undefined ? {} : readTls(reader, tlsNames, new URL(server)),
    direct: reader.oneOf('--direct (DIRECT)', 'on', ['on', 'off']) === 'on',
    file: resolve(file),
    fileIsDefault: resolve(file) === resolve(defaultFile),
    chunkSize: reader.parsed('--chunk-size (CHUNK_SIZE)', '', (text) => parseSize(text, SMALLEST_CHUNK)),
    maxSize: reader.parsed('--max-size (MAX_SIZE)', '', (text) => parseSize(text, 1)),
    limit: reader.parsed('--limit (LIMIT)', 'unlimited', parseTimetable) ?? always(unlimited),
    limitFile: limitFile === '' ? undefined : resolve(limitFile),
    logFile: logFile === '' ? undefined : resolve(logFile),
    stateDir: resolve(
      reader.text(
        '--state-dir (STATE_DIR)',
        env['STATE_DIRECTORY']?.split(':')[0] || stateFolder(input, env, clientId),
      ),
    ),
    secrets: [
      ...[tlsNames.key, '--enrol-file (ENROL_FILE)'].map((name) => reader.text(name, '')),
      credential,
      settings ?? '',
    ]
      .filter((path) => path !== '')
      .map((path) => resolve(path)),
    port: reader.parsed('--port (CLIENT_PORT)', '8080', parsePort),
    enrolToken:
      reader.parsed('--enrol-file (ENROL_FILE)', '', readToken) ??
      reader.parsed('ENROL_TOKEN', '', parseToken) ??
      reader.parsed(credential, '', () => readCredential(credential)),
    keyAge: reader.parsed('--key-days (KEY_DAYS)', '', parseDays),
    updateOutcome: env['UPDATES'] === 'off' ? undefined : env['UPDATE_OUTCOME'] || undefined,
    logLevel: reader.oneOf('LOG_LEVEL', 'info', logLevels),
    sample,
  }
  if (basename(config.file) === '') flagMistake(reader, '--file (FILE)', 'must be a file')
  const lists = {
    roots: parseRoots(flags, env, reader, paths),
    allow: parseGlobs('allow', { flags: flags.allow, variable: env['ALLOW'], reader, paths }),
    deny: parseGlobs('deny', { flags: flags.deny, variable: env['DENY'], reader, paths }),
    labels: parseLabels(flags, env, reader),
  }
  for (const argument of flags.unknown) flagMistake(reader, argument, 'is not known; --help lists what is')
  for (const [name, value] of Object.entries(flags)) {
    const empty = value === true && name !== 'sample'
    if (empty) flagMistake(reader, typed(name), 'needs a value')
  }
  reader.finish()
  return { ...config, ...lists }
}

/** Flags before variables, under names that tell the user both. */
function merge(flags: Flags, env: Environment): Environment {
  const named = Object.entries(variables).map(([flag, variable]) => {
    const given = flags[flag as keyof typeof variables]
    return [`${typed(flag)} (${variable})`, typeof given === 'string' ? given : env[variable]]
  })
  return { ...env, ...Object.fromEntries(named) }
}

function flagMistake(reader: EnvReader, name: string, mistake: string): void {
  reader.parsed(name, '', () => {
    throw new Error(mistake)
  })
}

function parseId(text: string): string {
  if (text === '') throw new Error('is missing: every site needs an id of its own, such as --id restaurant_1')
  const id = clientIdSchema.safeParse(text)
  if (!id.success) throw new Error(`${id.error.issues[0]?.message}, not "${text}"`)
  return id.data
}

function parseServer(text: string): string {
  const url = URL.parse(text.replace(/^ws(s?):\/\//i, 'http$1://'))
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Error(`must be a URL such as http://localhost:3000, not "${withoutUser(text)}"`)
  if (url.search !== '' || url.hash !== '') throw new Error(`must have no ? and no #, as "${withoutUser(text)}" has`)
  return url.href.replace(/\/+$/, '')
}

function parsePort(text: string): number | undefined {
  if (text.toLowerCase() === 'off') return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw new Error(`must be a port from 0 to 65535, or off, not "${text}"`)
}

function parseRoots({ root = [] }: Flags, env: Environment, reader: EnvReader, { path }: PathRules): string[] {
  const given = [...root, ...(env['ROOTS'] ?? '').split(path.delimiter).filter((folder) => folder !== '')]
  if (given.some((folder) => folder === true || folder === '')) flagMistake(reader, '--root', 'needs a folder')
  const roots = [...new Set(given.filter((folder) => typeof folder === 'string').map((folder) => path.resolve(folder)))]
  if (roots.length > MAX_ROOTS)
    flagMistake(reader, '--root (ROOTS)', `can be given ${MAX_ROOTS} times at most, not ${roots.length}`)
  return roots
}

/** Separated in the variable as paths are. */
function parseGlobs(
  name: string,
  {
    flags = [],
    variable = '',
    reader,
    paths,
  }: {
    flags: (string | true)[] | undefined
    variable: string | undefined
    reader: EnvReader
    paths: PathRules
  },
): string[] {
  const globs = [...flags, ...variable.split(paths.path.delimiter).filter((glob) => glob !== '')]
  const flag = `--${name} (${name.toUpperCase()})`
  if (globs.some((glob) => glob === true || glob === '')) flagMistake(reader, flag, 'needs a glob')
  const given = globs.filter((glob) => typeof glob === 'string' && glob !== '') as string[]
  for (const glob of given) reader.parsed(flag, '', () => compileGlob(paths.forGlobs(glob)))
  return given
}

/** The flags come last, for they win. */
function parseLabels({ label = [] }: Flags, env: Environment, reader: EnvReader): Record<string, string> {
  const given = [...(env['LABELS'] ?? '').split(',').filter((pair) => pair.trim() !== ''), ...label]
  const pairs = given.flatMap((pair): [string, string][] => {
    const match = typeof pair === 'string' ? /^([^=]+)=(.*)$/.exec(pair.trim()) : undefined
    if (match?.[1] !== undefined) return [[match[1], match[2] ?? '']]
    flagMistake(reader, '--label (LABELS)', `must read key=value${pair === true ? '' : `, not "${pair}"`}`)
    return []
  })
  const labels = labelsSchema.safeParse(Object.fromEntries(pairs))
  if (labels.success) return labels.data
  for (const { path, message } of labels.error.issues)
    flagMistake(reader, '--label (LABELS)', `${path.join('.')}: ${message}`)
  return {}
}

/** One folder per id: several agents of one user must not mix what they learned. */
function stateFolder(
  { home, platform = process.platform }: ConfigInput,
  env: Environment,
  clientId: string | undefined,
): string {
  return pathRulesOf(platform).path.join(stateHome(platform, env, home), 'backhaul-agent', clientId ?? '')
}

/** Variables in a file, as `EnvironmentFile=` takes them, for services that are given none. @throws ConfigError */
function readSettings(path: string, platform: NodeJS.Platform): Environment {
  try {
    return readVariables(readFileSync(path, 'utf8'), platform)
  } catch (error) {
    throw new ConfigError([`--settings cannot be read: ${messageOf(error)}`])
  }
}

/** From a file, so that it is in no list of processes. */
function readToken(path: string): string | undefined {
  if (path === '') return undefined
  try {
    const text = readFileSync(path, 'utf8').trim()
    if (text === '') throw new Error(`${path} is empty`)
    return parseToken(text)
  } catch (error) {
    throw new Error(`cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

/** As systemd hands it over (LoadCredential=). None, or an empty one, is as good: then the site is enrolled. */
function readCredential(path: string): string | undefined {
  if (path === '') return undefined
  try {
    return parseToken(readFileSync(path, 'utf8').trim())
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function parseToken(text: string): string | undefined {
  if (text === '') return undefined
  if (/^[\x21-\x7e]{1,200}$/.test(text)) return text
  throw new Error("holds no enrolment token: its one line, and nothing else (npm run -s leaves npm's own lines out)")
}

/** @returns ms */
function parseDays(text: string): number | undefined {
  if (text === '') return undefined
  if (/^\d{1,4}$/.test(text)) return Number(text) * 24 * 3600_000
  throw new Error(`must be a number of days from 0 to 9999, not "${text}"`)
}
