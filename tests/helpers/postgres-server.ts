import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'

/** `fast` ends what is under way and writes all down; `immediate` is a crash, which the next start recovers from. */
export type Shutdown = 'fast' | 'immediate'

/** A PostgreSQL of a test's own, on a port of this machine. */
export interface PostgresServer {
  port: number
  /** Of its first process, which starts all others. @throws Error while it is stopped */
  pid(): number
  /** Makes a database. @returns its URL */
  newDatabase(): Promise<string>
  stop(how?: Shutdown): Promise<void>
  /** On the same port, with the same data. Resolves once it answers. */
  start(): Promise<void>
  restart(how?: Shutdown): Promise<void>
  /** Ends it, and removes its data. */
  remove(): Promise<void>
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT' } as const
/** Connections of a server that crashed can keep its memory for a moment. */
const START_ATTEMPTS = 20
const USER = 'backhaul'

/** The folder of PostgreSQL's programs; distributions keep them outside of the PATH. */
function binaries(): string | undefined {
  const versions = '/usr/lib/postgresql'
  const byVersion = existsSync(versions) ? readdirSync(versions).toSorted((a, b) => Number(b) - Number(a)) : []
  const folders = [
    ...(process.env['PATH'] ?? '').split(':'),
    ...byVersion.map((version) => join(versions, version, 'bin')),
    '/usr/libexec/postgresql',
    '/usr/local/pgsql/bin',
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/** PostgreSQL refuses to run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = ['-u', '-g'].map((which) =>
      Number(spawnSync('id', [which, name]).stdout?.toString().trim() || NaN),
    )
    if (uid !== undefined && gid !== undefined && uid > 0 && gid > 0) return { uid, gid }
  }
  return undefined
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Why there can be no PostgreSQL here, as "needs …"; undefined where there can. */
export function postgresLacking(): string | undefined {
  if (binaries() === undefined) return 'needs PostgreSQL (initdb and postgres), not installed here'
  if (isRoot() && !unprivileged()) return 'needs an unprivileged user for PostgreSQL, which root is not'
  return undefined
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Makes a cluster in a temporary folder, and starts it.
 * @param under where that folder lies; PostgreSQL's user must be let through
 * @throws Error with what PostgreSQL said
 */
export async function startPostgres({ under = tmpdir() } = {}): Promise<PostgresServer> {
  const folder = binaries()
  if (folder === undefined) throw new Error(postgresLacking())
  const owner = isRoot() ? unprivileged() : undefined
  const place = await mkdtemp(join(under, 'backhaul-postgres-'))
  if (owner) await chown(place, owner.uid, owner.gid)
  const data = join(place, 'data')
  const made = spawnSync(
    join(folder, 'initdb'),
    ['-D', data, '-U', USER, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'],
    { ...owner, cwd: place, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`)

  const port = await freePort()
  const urlOf = (database: string): string => `postgres://${USER}@127.0.0.1:${port}/${database}`
  const run = (): ChildProcess => runPostgres(join(folder, 'postgres'), { data, place, port, owner })
  let running: ChildProcess | undefined

  const stop = async (how: Shutdown = 'fast'): Promise<void> => {
    const ending = running
    running = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill(SIGNALS[how])
    await once(ending, 'exit')
  }
  const start = async (): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      running = run()
      const said = await ready(running)
      if (said === undefined) return
      if (attempt === START_ATTEMPTS) throw new Error(`PostgreSQL does not start: ${said}`)
    }
  }
  // What a test leaves behind ends with its process.
  const end = (): void => void running?.kill(SIGNALS.immediate)
  process.once('exit', end)
  await start()

  return {
    port,
    pid() {
      if (running?.pid === undefined) throw new Error('PostgreSQL is stopped')
      return running.pid
    },
    async newDatabase() {
      const name = `test_${randomBytes(6).toString('hex')}`
      const client = new Client({ connectionString: urlOf('postgres') })
      await client.connect()
      try {
        await client.query(`CREATE DATABASE ${name}`)
      } finally {
        await client.end()
      }
      return urlOf(name)
    },
    stop,
    start,
    async restart(how) {
      await stop(how)
      await start()
    },
    async remove() {
      await stop('immediate')
      process.off('exit', end)
      await rm(place, { recursive: true, force: true })
    },
  }
}

interface Place {
  data: string
  place: string
  port: number
  owner: { uid: number; gid: number } | undefined
}

function runPostgres(program: string, { data, place, port, owner }: Place): ChildProcess {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    port,
    max_connections: 200,
    shared_buffers: '64MB',
    fsync: 'on',
    synchronous_commit: 'on',
  }
  const own = [program, '-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  // A test process that is killed takes it along, where the system can do that.
  const [command = program, ...rest] = existsSync('/usr/bin/setpriv')
    ? ['/usr/bin/setpriv', '--pdeathsig', 'QUIT', ...own]
    : own
  return spawn(command, rest, { ...owner, cwd: place, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** @returns undefined once it takes connections, or what it said when it ended instead */
function ready(server: ChildProcess): Promise<string | undefined> {
  const said: string[] = []
  return new Promise((resolve, reject) => {
    server.once('error', reject).once('exit', () => resolve(said.join('\n')))
    if (!server.stderr) return
    // Read to its end, so that the server never waits for a reader.
    createInterface(server.stderr).on('line', (line) => {
      if (said.length < 50) said.push(line)
      if (line.includes('database system is ready to accept connections')) resolve(undefined)
    })
  })
}
