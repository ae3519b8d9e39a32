import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { defaults } from '../../shared/protocol.ts'
import { bearer, checkNoSecret, enrolAll } from './admin.ts'
import { temporaryFolder } from './folder.ts'
import { start, type Running } from './process.ts'
import type { SharedStores } from './shared-stores.ts'
import { until } from './until.ts'

export type Json = Record<string, any>

/** A real server on a real port, with a folder of its own, and agents as they are asked for. */
export interface Stack {
  folder: string
  downloads: string
  url: string
  server: Running
  /** A finished download's bytes as they lie in the store: its file, or what the server gives of its object. */
  stored(download: Json): Promise<Buffer>
  /** Takes a finished download's bytes out of the store, behind the server's back. */
  lose(download: Json): Promise<void>
  /** Runs statements on the database, behind the server's back; one text where both kinds understand it. */
  execute(sql: string | { sqlite: string; postgres: string }): Promise<void>
  /** Names of all finished files in the store. */
  files(): Promise<string[]>
  /** Names of what is left in the store of attempts: each begins with the download's id. */
  parts(): Promise<string[]>
  /** Kills the server with the signal, if any, and starts it again on the same port and folder. */
  restart(signal?: NodeJS.Signals): Promise<void>
  /** What an agent needs of the environment to be let in. */
  agentEnv: Record<string, string>
  agent(id: string, args?: string[], env?: Record<string, string>): Running
  /** An agent that is started and online. */
  online(id: string, args?: string[], env?: Record<string, string>): Promise<Running>
  get(path: string, headers?: Record<string, string>): Promise<Json>
  post(
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Json; headers: Headers }>
  ask(body: Json): Promise<Json>
  /** The download once its status is one of `statuses`. */
  reached(id: string, ...statuses: string[]): Promise<Json>
  /** The download once it has ended, however; within `ms`. */
  ended(id: string, ms: number): Promise<Json>
  stop(): Promise<void>
}

/** Where the server runs: behind which command, and under which address it is reached from here. */
export interface Place {
  within?: readonly string[]
  host?: string
  /** Stores that other servers have, too; who made them removes them. */
  stores?: SharedStores
}

export async function startStack(
  env: Record<string, string> = {},
  { within = [], host = '127.0.0.1', stores }: Place = {},
): Promise<Stack> {
  const { folder, remove } = await temporaryFolder()
  const downloads = join(folder, 'downloads')
  const shared = stores ?? (process.env['BACKHAUL_STORES'] === 'shared' ? await freshShared() : undefined)
  const agents: Running[] = []
  let port = '0'

  const startServer = async (): Promise<Running> => {
    const variables = {
      DATABASE_URL: `sqlite:${join(folder, 'data', 'backhaul.db')}`,
      STORAGE_URL: `file:${downloads}`,
      HOST: '127.0.0.1',
      PORT: port,
      ...shared?.env,
      ...env,
    }
    const started = start('server/main.ts', [], variables, within)
    port = String((await started.line((line) => line['msg'] === 'listening'))['port'])
    return started
  }

  let server = await startServer()
  const url = `${env['TLS_CERT'] ? 'https' : 'http'}://${host}:${port}`

  // Who tests is an admin where that is asked for, and its agents are enrolled.
  const adminToken = env['ADMIN_TOKEN']
  const admin = adminToken === undefined ? {} : bearer(adminToken)
  const enrolment = adminToken === undefined ? {} : { ENROL_TOKEN: await enrolAll(url, admin) }

  const get = async (path: string, headers: Record<string, string> = {}): Promise<Json> => {
    const response = await fetch(url + path, { headers: { ...admin, ...headers } })
    return (await response.json()) as Json
  }

  const post: Stack['post'] = async (path, body, given = {}) => {
    const headers = { ...admin, ...given }
    const response = await fetch(url + path, {
      method: 'POST',
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, headers: response.headers, body: (await response.json()) as Json }
  }

  const agent: Stack['agent'] = (id, args = [], agentEnv = {}) => {
    const state = join(folder, 'state', id)
    const started = start(
      'agent/main.ts',
      ['--id', id, '--server', url, '--state-dir', state, '--port', 'off', ...args],
      { HOME: folder, ...enrolment, ...agentEnv },
    )
    agents.push(started)
    return started
  }

  const namesBelow = async (place: 'files/' | 'parts/'): Promise<string[]> =>
    (await shared!.keys()).filter((key) => key.startsWith(place)).map((key) => key.slice(place.length))

  return {
    folder,
    downloads,
    url,
    get server() {
      return server
    },
    agentEnv: enrolment,
    async stored({ id, filePath }) {
      if (!shared) return readFile(filePath)
      const response = await fetch(`${url}/downloads/${id}/content`, { headers: admin })
      if (!response.ok) throw new Error(`the content of ${id} was answered ${response.status}`)
      return Buffer.from(await response.arrayBuffer())
    },
    lose: ({ filePath }) => (shared ? shared.removeObject(filePath) : rm(filePath)),
    async execute(sql) {
      if (shared) await shared.query(typeof sql === 'string' ? sql : sql.postgres)
      else executeSqlite(join(folder, 'data', 'backhaul.db'), typeof sql === 'string' ? sql : sql.sqlite)
    },
    files: async () =>
      shared ? namesBelow('files/') : (await readdir(downloads)).filter((name) => name !== '.incoming'),
    parts: async () =>
      shared
        ? namesBelow('parts/')
        : (await readdir(join(downloads, '.incoming'))).filter((name) => !name.startsWith('lock.db')),
    get,
    post,
    agent,
    async restart(signal = 'SIGTERM') {
      await server.kill(signal)
      server = await startServer()
    },
    async online(id, args, agentEnv) {
      const before = (await get(`/clients/${id}`))['connectedAt']
      const started = agent(id, args, agentEnv)
      await until(`${id} to be online`, async () => {
        if (started.child.exitCode !== null) throw new Error(`the agent ended:\n${started.output()}`)
        const client = await get(`/clients/${id}`)
        return client['status'] === 'online' && client['connectedAt'] !== before
      })
      return started
    },
    async ask(body) {
      const answer = await post('/downloads', body)
      if (answer.status !== 202) throw new Error(`asking was answered ${answer.status}: ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    reached: (id, ...statuses) =>
      until(`${id} to be ${statuses.join(' or ')}`, async () => {
        const download = await get(`/downloads/${id}`)
        if (statuses.includes(download['status'])) return download
        if (['completed', 'failed', 'cancelled', 'expired'].includes(download['status'])) {
          throw new Error(`expected ${statuses.join(' or ')}, got ${JSON.stringify(download)}`)
        }
        return undefined
      }),
    ended: (id, ms) =>
      until(
        `${id} to end`,
        async () => {
          const download = await get(`/downloads/${id}`)
          return download['completedAt'] !== null && download
        },
        ms,
      ),
    async stop() {
      await Promise.all(agents.map((running) => running.kill('SIGKILL')))
      await server.kill('SIGTERM')
      await remove()
      if (shared !== stores) await shared?.remove()
      // Whatever was tested: secrets are in no log.
      for (const { output } of [server, ...agents]) checkNoSecret(output())
    },
  }
}

/** Loaded for those that need it: most test files do not. */
async function freshShared(): Promise<SharedStores> {
  const { sharedStores } = await import('./shared-stores.ts')
  return sharedStores()
}

function executeSqlite(path: string, sql: string): void {
  const db = new DatabaseSync(path, { timeout: 10_000 })
  try {
    db.exec(sql)
  } finally {
    db.close()
  }
}

/** A client without our agent: its session and its calls, by hand. */
export async function rawAgent(
  stack: Stack,
  clientId: string,
  takeover = true,
  instance: string = crypto.randomUUID(),
) {
  const agent = { version: 'test', platform: 'test', hostname: 'test' }
  const begun = await stack.post('/sessions', { protocol: 1, clientId, instance, takeover, agent, shared: [] })
  const session = String(begun.body['session'])
  const headers = { 'agent-session': session }
  return {
    status: begun.status,
    answer: begun.body,
    session,
    headers,
    chunk: defaults.chunk,
    begin: (id: string, size: number, source = 'v1', more: Json = {}) =>
      stack.post(`/jobs/${id}/begin`, { source, size, ...more }, headers),
    complete: (id: string, attempt: number, size: number, sha256: string) =>
      stack.post(`/jobs/${id}/complete`, { attempt, size, sha256 }, headers),
    fail: (id: string, code: string, attempt?: number) => stack.post(`/jobs/${id}/fail`, { code, attempt }, headers),
  }
}
