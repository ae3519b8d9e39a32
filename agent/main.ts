// oxlint-disable-next-line import/no-unassigned-import -- before anything else is loaded, for it begins the process anew
import './malloc.ts'
import { access } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { CommanderError } from 'commander'
import { ConfigError } from '../shared/env.ts'
import { messageOf } from '../shared/errors.ts'
import { formatBytes, printable } from '../shared/format.ts'
import { homeFolder } from '../shared/home.ts'
import { createLog, type Log } from '../shared/log.ts'
import { createNotify } from '../shared/notify.ts'
import { createProgress } from '../shared/progress.ts'
import { defaultFile, writeSampleFile } from '../shared/sample.ts'
import { onShutdown } from '../shared/shutdown.ts'
import { version } from '../shared/version.ts'
import { pause } from '../shared/wait.ts'
import { createAgent } from './agent.ts'
import { readConfig, type AgentConfig } from './config.ts'
import { keyFiles, openKeys } from './credential.ts'
import { warnOfHidden } from './hidden.ts'
import { createHttp } from './http.ts'
import { checkKeyMode } from './key-mode.ts'
import { createLimiter } from './limiter.ts'
import { createReadLog } from './read-log.ts'
import { createRetry } from './retry.ts'
import { createRules } from './rules.ts'
import { createSchedule } from './schedule.ts'
import { createStanding } from './standing.ts'
import { openState } from './state.ts'
import { createStoreHttp } from './store-http.ts'
import { serviceSecrets } from './service/paths.ts'
import { serveStatus } from './status.ts'

/** How long what is under way may take to end after a signal, in ms. */
const STOP_WITHIN_MS = 1500
/** A request and the ones that belong to it may take so long, in ms: no reason for a watchdog to end the agent. */
const SHORTEST_WATCHDOG_MS = 180_000

function configure(): AgentConfig {
  try {
    const { argv, env } = process
    return readConfig({ argv: argv.slice(2), env, defaultFile: defaultFile(), home: homeFolder(), version })
  } catch (error) {
    return refuse(error)
  }
}

/** Ends the process: after `--help` and `--version`, or with every mistake on a line of its own. */
function refuse(error: unknown): never {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  if (!(error instanceof ConfigError)) throw error
  for (const mistake of error.mistakes) process.stderr.write(`${printable(mistake)}\n`)
  return process.exit(2)
}

async function makeSample({ file, fileIsDefault, sample }: AgentConfig, log: Log, signal: AbortSignal): Promise<void> {
  if (!sample || !fileIsDefault) return
  try {
    await access(file)
  } catch {
    log.info({ file }, `making a sample of ${formatBytes(100 * 1024 * 1024)}, for the default file is missing`)
    await writeSampleFile(file, 100 * 1024 * 1024, signal).catch((error: unknown) =>
      log.warn({ file }, `cannot make the sample: ${messageOf(error)}`),
    )
  }
}

async function main(config: AgentConfig): Promise<void> {
  const { clientId, proxy, file, roots, labels, chunkSize, stateDir, port } = config
  const startedAt = new Date().toISOString()
  const progress = createProgress({ stream: process.stdout })
  const log = await createLog({ level: config.logLevel, progress, file: config.logFile }).catch((error: unknown) =>
    refuse(
      config.logFile === undefined
        ? error
        : new ConfigError([`--log-file (LOG_FILE) cannot be written: ${messageOf(error)}`]),
    ),
  )
  const stop = new AbortController()
  const server = withoutPassword(config.server)
  const notify = createNotify({ env: process.env, log })
  let ended: Promise<unknown> = Promise.resolve()
  onShutdown(
    async (signal) => {
      log.info(`${signal}: stopping; what was sent stays at the server`)
      stop.abort(new Error('the agent stops'))
      await Promise.race([ended, pause(STOP_WITHIN_MS)])
      progress.stop()
    },
    (code) => process.exit(code),
  )
  log.info(
    { clientId, server, proxy: proxy?.shown, version, file: printable(file), roots: roots.map(printable), labels },
    'agent starting',
  )
  if (notify.watchdogMs < SHORTEST_WATCHDOG_MS)
    log.warn(
      { watchdogMs: notify.watchdogMs },
      'WatchdogSec= is short: a slow line can look like a standstill. Set 3min or more',
    )
  const made = makeSample(config, log, stop.signal)
  ended = made
  await made
  const shared = [file, ...roots]
  const state = await openState({ dir: stateDir, server, log })
  await checkKeyMode({ dir: stateDir, log })
  // Not waited for: a folder of a network that hangs must not keep the agent from its start.
  void warnOfHidden({ shared: { file, roots }, log }).catch((error: unknown) => log.warn(messageOf(error)))
  const limiter = createLimiter()
  const schedule = createSchedule({ timetable: config.limit, file: config.limitFile, limiter, log })
  await schedule.start(stop.signal)
  const toServer = { server: config.server, userAgent: `backhaul-agent/${version}`, tls: config.tls, limiter }
  const agent = createAgent({
    http: createHttp({ ...toServer, proxy }),
    storeHttp: createStoreHttp({ ...toServer, proxyOf: config.proxyOf }),
    retry: createRetry({ log, notify }),
    standing: createStanding({ notify, server }),
    // A third, for the watchdog of a service waits for an end of something.
    longestPollMs: notify.watchdogMs / 3,
    state,
    log,
    progress,
    identity: {
      clientId,
      agent: {
        version,
        platform: `${process.platform}-${process.arch}`,
        hostname: hostname(),
        ...(config.updateOutcome === undefined ? {} : { updates: true }),
      },
      shared,
      labels,
    },
    shared: {
      file,
      roots,
      rules: createRules(config),
      secrets: [...keyFiles(stateDir), ...serviceSecrets, ...config.secrets],
    },
    chunkSize,
    direct: config.direct,
    limiter,
    origin: new URL(config.server).origin,
    keys: openKeys({ dir: stateDir, clientId }),
    keyAge: config.keyAge,
    enrolToken: config.enrolToken,
    update: { dir: join(stateDir, 'update'), outcomeFile: config.updateOutcome },
    readLog: createReadLog({ dir: stateDir, log, now: () => new Date() }),
  })
  if (port !== undefined) {
    const status = (): unknown => ({
      clientId,
      server,
      version,
      startedAt,
      shared,
      limit: schedule.view(),
      ...agent.view(),
    })
    await serveStatus({ port, log, status })
  }
  ended = agent.run(stop.signal).then(() => state.flush())
  await ended
}

/** A URL can hold a password, which belongs into no log. */
function withoutPassword(server: string): string {
  const url = new URL(server)
  url.username = ''
  url.password = ''
  return url.href.replace(/\/+$/, '')
}

/** The agent as a service of the machine is a matter of its own: `backhaul-agent service …`. */
async function service(argv: readonly string[]): Promise<void> {
  const { runService } = await import('./service/command.ts')
  process.exitCode = await runService({
    argv,
    env: process.env,
    executable: process.execPath,
    say: (line) => void process.stdout.write(`${line}\n`),
    complain: (line) => void process.stderr.write(`${line}\n`),
  })
}

if (process.argv[2] === 'service') void service(process.argv.slice(3))
else void main(configure())
