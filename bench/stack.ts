import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ADMIN, bearer, enrolAll } from '../tests/helpers/admin.ts'
import { openPolls } from '../tests/helpers/open-polls.ts'
import { commandOf } from '../tests/helpers/process.ts'
import { until } from '../tests/helpers/until.ts'
import { startProcess, type Started } from './processes.ts'

/** A real server and agents for a measurement. */
export interface BenchStack {
  folder: string
  /** The server as it is reached from here. */
  url: string
  /** With which the server is asked: on a link it is one that others reach, and wants tokens. */
  headers: Record<string, string>
  serverPid: number
  /** Starts an agent and waits until it polls. @returns its pid */
  agent(id: string, args: string[], server?: string): Promise<number>
  stop(): Promise<void>
}

export interface BenchStackOptions {
  /** Where everything is stored; one of its own if not given. It is removed at the end in any case. */
  folder?: string
  /** Variables of the environment, for the server. */
  env?: Record<string, string>
  /** Whether the server wants tokens; if not given, where others reach it. */
  tokens?: boolean
  /** Commands that run the ends elsewhere, as `ip netns exec NAME`. */
  within?: { server?: readonly string[]; agent?: readonly string[] }
  /** The server's host as it is reached from here, and from the agent. */
  host?: { here: string; agent: string }
  /** Fills the stores, which a first start has made by then. */
  fill?: (folder: string) => void | Promise<void>
}

/** Starts a server as `npm start` does; agents are started as `npm run agent` does. */
export async function startBenchStack(options: BenchStackOptions = {}): Promise<BenchStack> {
  const { within = {}, host = { here: '127.0.0.1', agent: '127.0.0.1' } } = options
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'backhaul-bench-')))
  await mkdir(folder, { recursive: true })
  const started: Started[] = []
  let agents = 0

  const tokens = options.tokens ?? within.server !== undefined
  const env = {
    HOST: within.server ? '0.0.0.0' : '127.0.0.1',
    ...(tokens ? { AUTH: 'on', ADMIN_TOKEN: ADMIN } : {}),
    PORT: '0',
    DATABASE_URL: `sqlite:${folder}/db`,
    STORAGE_URL: `file:${folder}/downloads`,
    ...options.env,
  }
  const startServer = async (): Promise<{ server: Started; port: string }> => {
    const server = startProcess(commandOf('start'), { env, within: within.server })
    started.push(server)
    return { server, port: String((await server.line((line) => line['msg'] === 'listening'))['port']) }
  }
  if (options.fill) {
    await (await startServer()).server.stop()
    await options.fill(folder)
  }
  const { server, port } = await startServer()
  const url = `http://${host.here}:${port}`
  const headers: Record<string, string> = tokens ? bearer(ADMIN) : {}
  const agentEnv: Record<string, string> = tokens ? { ENROL_TOKEN: await enrolAll(url, headers) } : {}

  return {
    folder,
    url,
    headers,
    serverPid: server.pid,
    async agent(id, args, target = `http://${host.agent}:${port}`) {
      const all = ['--id', id, '--server', target, '--port', 'off', '--state-dir', join(folder, id), ...args]
      const agent = startProcess([...commandOf('agent'), ...all], { env: agentEnv, within: within.agent })
      started.push(agent)
      agents += 1
      const waiting = agents
      // As agents do nearly all the time; else what is measured would begin with the agent's start.
      await until(`${id} to wait in its poll`, async () => (await openPolls({ url }, headers)) >= waiting)
      return agent.pid
    },
    async stop() {
      await Promise.all(started.toReversed().map((each) => each.stop()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

type Asked = Pick<BenchStack, 'url' | 'headers'>

/** Asks for a client's default file. @returns the download's id */
export async function ask({ url, headers }: Asked, clientId: string): Promise<string> {
  const response = await fetch(`${url}/downloads`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ clientId }),
  })
  const { id } = (await response.json()) as { id: string }
  return id
}

/** Waits for the end of a download. @throws Error unless it completed verified */
export async function finished({ url, headers }: Asked, id: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/downloads/${id}`, { headers: { prefer: 'wait=60', ...headers } })
    const { status, verified } = (await response.json()) as { status: string; verified: boolean }
    if (status === 'completed' && verified) return
    if (['completed', 'failed', 'cancelled', 'expired'].includes(status))
      throw new Error(`the download ended ${status}`)
  }
}
