import { isAppError } from '../shared/errors.ts'
import { createLog, type Log } from '../shared/log.ts'
import { createNotify } from '../shared/notify.ts'
import { createProgress } from '../shared/progress.ts'
import { defaults } from '../shared/protocol.ts'
import { onShutdown } from '../shared/shutdown.ts'
import { version } from '../shared/version.ts'
import { pause } from '../shared/wait.ts'
import { isOpen } from './address.ts'
import { ensureAdmin, ensureEnrolment } from './admin.ts'
import { createApp } from './app.ts'
import { readConfig, type Config } from './config.ts'
import { createAccess } from './domain/access/index.ts'
import { mayPoll } from './domain/access/principal.ts'
import { createDomain, type Domain } from './domain/index.ts'
import { explain } from './explain.ts'
import { tryGoingDirect } from './going-direct.ts'
import { strangeness } from './http/browsers.ts'
import { createSignInCookie } from './http/cookie.ts'
import { createGate, principalOf } from './http/gate.ts'
import { createHeldPolls } from './http/held-polls.ts'
import { createInFlight } from './http/in-flight.ts'
import { createPresent } from './http/present.ts'
import { traceFields } from './http/trace.ts'
import { listen, stopServing } from './listen.ts'
import { createMetrics } from './metrics/index.ts'
import { bothObservers, createObserver } from './observer.ts'
import type { Clock } from './ports.ts'
import { openReleases, openStores } from './stores/open.ts'
import { createServer } from './tls.ts'
import { startTimers } from './timers.ts'

/** How long requests that were cut off may take to tidy up, in ms. */
const SETTLE_WITHIN = 2_000
/** How often a store that is locked or full at the start is tried again, in ms. */
const RECOVER_EVERY = 1_000

// Configuration → stores → domain → app → listen → signals. The only file of the server that touches process.*
async function main(config: Config): Promise<void> {
  const progress = createProgress({ stream: process.stdout })
  const log = await createLog({ level: config.logLevel, progress, mixin: traceFields })
  const stores = await openStores(config, (error, what) => log.warn({ err: error }, what))
  const metrics = createMetrics()
  const teller = createObserver({ log, progress, bytes: stores.bytes })
  const releases = await openReleases(config.releases)
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const stopping = new AbortController()
  const direct = config.directUploads ? stores.bytes.direct : undefined
  const mayGoDirect = await tryGoingDirect({ direct, log, signal: stopping.signal })
  const domain = createDomain({
    ...stores,
    releases,
    observer: bothObservers(teller, metrics),
    clock,
    pollWaitMs: defaults.waitSeconds * 1000,
    clientQuota: config.clientQuota,
    retention: config.retention,
    mayGoDirect,
    report: (error, what, id) => log.error({ err: error, id }, what),
  })
  // Until it is known which address is bound.
  let open = false
  const access = createAccess({
    store: stores.access,
    wakes: stores.wakes,
    clock,
    required: () => !open,
    origins: config.origins,
    unwritten: (entry) => log.error({ audit: entry }, 'the audit cannot be written: this waits until it can'),
  })
  metrics.watch({ ...stores, ...domain, clock })
  process.on('unhandledRejection', (error) => log.error({ err: error }, 'something failed that nobody waited for'))
  await recover(domain, log)

  const present = createPresent({ bytes: stores.bytes, presence: domain.presence })
  const inFlight = createInFlight()
  const cookie = createSignInCookie(config)
  const handle = createApp({
    domain,
    access,
    cookie,
    present,
    metrics,
    log,
    version,
    downloadTimeout: config.downloadTimeout,
    lengthLimit: config.lengthLimit,
    inFlight,
    makeLimiter: stores.makeLimiter,
    trustProxy: config.trustProxy,
    tls: config.tls !== undefined,
    releases,
    origins: config.origins,
  }).callback()
  const hold = createHeldPolls({
    polls: domain.polls,
    may: (req, clientId) => mayPoll(principalOf({ req }), clientId) && strangeness({ req }) === undefined,
  })
  const server = await createServer(
    { tls: config.tls, log, signal: stopping.signal },
    createGate({
      authenticate: access.authenticate,
      tokenOf: cookie.tokenOf,
      wakes: stores.wakes,
      hold,
      handle: (request, response) => void handle(request, response),
    }),
  )
  const { address, port } = await listen(server, config)
  open = isOpen(address, config)
  if (open) log.info(`only this machine reaches ${address}: nobody needs a token`)
  else {
    await ensureAdmin({ tokens: access.tokens, config, log })
    await ensureEnrolment({ enrolments: access.enrolments, config, log })
  }
  server.on('error', (error) => log.error({ err: error }, 'a connection could not be taken'))

  const webhooks =
    config.webhooks &&
    (await loadWebhooks())({
      ...stores,
      present,
      clock,
      log,
      version,
      settings: config.webhooks,
      count: metrics.delivery,
    })
  const stopTimers = startTimers({
    domain,
    access,
    webhooks,
    report: (error) => log.error({ err: error }, 'a periodic task failed; it is tried again'),
  })
  onShutdown(
    async (signal) => {
      log.info({ signal }, 'stopping')
      stopTimers()
      stopping.abort()
      domain.waiting.stop()
      const sent = webhooks?.stop()
      await stopServing(server)
      // What was cut off tidies up first; it needs the stores.
      await Promise.race([Promise.all([inFlight.settled(), sent]), pause(SETTLE_WITHIN)])
      await domain.presence
        .flush()
        .catch((error: unknown) => log.warn({ err: error }, 'who was seen last is not written down'))
      await stores.close()
      progress.stop()
    },
    (code) => process.exit(code),
  )
  log.info(
    { host: address, port, tls: config.tls !== undefined, storage: stores.bytes.location(''), pid: process.pid },
    'listening',
  )
  createNotify({ env: process.env, log }).ready()
}

/** Most servers send none, and what sends them takes memory. */
const loadWebhooks = async () => (await import('./webhooks/index.ts')).createWebhooks

/** Nobody is served before the repairs are done: a store that is locked or full is waited for. */
async function recover(domain: Domain, log: Log): Promise<void> {
  for (;;) {
    try {
      return await domain.sweeper.recover()
    } catch (error) {
      if (!isAppError(error, 'store-busy', 'store-full')) throw error
      log.error({ err: error }, 'cannot repair what the last stop left; trying again')
      await pause(RECOVER_EVERY)
    }
  }
}

function fail(error: unknown): never {
  const { lines, exitCode } = explain(error)
  for (const line of lines) process.stderr.write(`backhaul server: ${line}\n`)
  process.exit(exitCode)
}

/** Most starts have no arguments: what reads them is loaded for those that do. */
async function start(argv: readonly string[]): Promise<void> {
  if (argv.length === 0) return main(readConfig(process.env))
  const { run } = await import('./commands/run.ts')
  const { env, stdout, stderr } = process
  const exitCode = await run(argv, { env, stdout, stderr, version, serve: main })
  if (exitCode !== undefined) process.exitCode = exitCode
}

void start(process.argv.slice(2)).catch(fail)
