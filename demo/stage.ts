import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createApi, type Api } from '../cli/api.ts'
import { createHttp } from '../cli/http.ts'
import { pause } from '../shared/wait.ts'
import { writeSampleFile } from '../shared/sample.ts'
import type { Processes } from './processes.ts'

export interface Site {
  id: string
  /** The file that the site shares. */
  source: string
}

export interface Stage {
  server: URL
  api: Api
  sites: Site[]
}

export interface StageOptions {
  folder: string
  ids: readonly string[]
  /** bytes of each site's file */
  size: number
  processes: Processes
  signal: AbortSignal
  say: (line: string) => void
}

/** ms for three agents to start and call. */
const calling = 30_000

/** A server and its sites in `folder`, each with a file of its own, all of them online. */
export async function setStage(options: StageOptions): Promise<Stage> {
  const { folder, ids, size, processes, signal, say } = options
  const sites = ids.map((id) => ({ id, source: join(folder, id, 'till-export.txt') }))
  for (const { source } of sites) {
    await mkdir(join(source, '..'), { recursive: true })
    await writeSampleFile(source, size)
    signal.throwIfAborted()
  }
  const server = await startServer(folder, processes)
  say(`The server listens on ${server.origin}.`)
  for (const site of sites) startAgent(site, { folder, server, processes })
  const api = createApi({ http: createHttp({ server, version: 'demo', signal }) })
  await allOnline(api, ids, signal)
  say(`${ids.join(', ')} are online; each has opened connections outward only.`)
  return { server, api, sites }
}

async function startServer(folder: string, processes: Processes): Promise<URL> {
  const started = processes.start({
    name: 'The server',
    command: ['server/main.ts'],
    env: {
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: `sqlite:${join(folder, 'backhaul.db')}`,
      STORAGE_URL: `file:${join(folder, 'downloads')}`,
      LOG_LEVEL: 'info',
    },
    logPath: join(folder, 'server.log'),
  })
  const { port } = await started.line(({ msg }) => msg === 'listening')
  return new URL(`http://127.0.0.1:${String(port)}/`)
}

function startAgent({ id, source }: Site, stage: { folder: string; server: URL; processes: Processes }): void {
  const { folder, server, processes } = stage
  const flags = ['--id', id, '--server', server.href, '--file', source, '--port', 'off']
  processes.start({
    name: `The agent of ${id}`,
    command: ['agent/main.ts', ...flags, '--state-dir', join(folder, id, 'state')],
    logPath: join(folder, `${id}.log`),
  })
}

async function allOnline(api: Api, ids: readonly string[], signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + calling
  for (;;) {
    const { value } = await api.clients([])
    const online = new Set(value.clients.map(({ id }) => id))
    const missing = ids.filter((id) => !online.has(id))
    if (missing.length === 0) return
    if (Date.now() > deadline) throw new Error(`${missing.join(', ')} did not call within ${calling / 1000} s.`)
    await pause(100, signal)
    signal.throwIfAborted()
  }
}
