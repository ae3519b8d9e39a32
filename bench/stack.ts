import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A real server and agents for a measurement, in a folder that is removed afterwards. */
export interface BenchStack {
  folder: string
  url: string
  serverPid: number
  /** Starts an agent and waits until it polls. @returns its pid */
  agent(id: string, args: string[], server?: string): Promise<number>
  stop(): Promise<void>
}

export async function startBenchStack(): Promise<BenchStack> {
  const folder = await mkdtemp(join(tmpdir(), 'backhaul-bench-'))
  const children: ChildProcess[] = []

  const start = async (
    file: string,
    args: string[],
    env: Record<string, string>,
    ready: (line: Record<string, unknown>) => boolean,
  ) => {
    const child = spawn(process.execPath, ['--max-semi-space-size=2', ...(process.env['BF'] ?? '').split(' ').filter(Boolean), '--import', 'tsx', file, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    const lines = createInterface({ input: child.stdout })
    const line = await new Promise<Record<string, unknown>>((resolve, reject) => {
      lines.on('line', (text) => {
        const parsed = JSON.parse(text) as Record<string, unknown>
        if (ready(parsed)) resolve(parsed)
      })
      child.once('exit', () => reject(new Error(`${file} ended early`)))
    })
    return { pid: child.pid ?? 0, line }
  }

  const env = {
    HOST: '127.0.0.1',
    PORT: '0',
    DATABASE_URL: `sqlite:${folder}/db`,
    STORAGE_URL: `file:${folder}/downloads`,
  }
  const server = await start('server/main.ts', [], env, (line) => line['msg'] === 'listening')
  const url = `http://127.0.0.1:${String(server.line['port'])}`

  const online = async (id: string): Promise<void> => {
    for (;;) {
      const client = (await (await fetch(`${url}/clients/${id}`)).json()) as { status?: unknown }
      if (client.status === 'online') return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  return {
    folder,
    url,
    serverPid: server.pid,
    async agent(id, args, target = url) {
      const all = ['--id', id, '--server', target, '--port', 'off', '--state-dir', join(folder, id), ...args]
      const { pid } = await start('agent/main.ts', all, {}, () => true)
      await online(id)
      return pid
    },
    async stop() {
      for (const child of children.toReversed()) {
        if (child.exitCode !== null) continue
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Asks for a client's default file. @returns the download's id */
export async function ask(url: string, clientId: string): Promise<string> {
  const response = await fetch(`${url}/downloads`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ clientId }),
  })
  const { id } = (await response.json()) as { id: string }
  return id
}

/** Waits for the end of a download. @throws Error unless it completed verified */
export async function finished(url: string, id: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/downloads/${id}`, { headers: { prefer: 'wait=60' } })
    const { status, verified } = (await response.json()) as { status: string; verified: boolean }
    if (status === 'completed' && verified) return
    if (['completed', 'failed', 'cancelled', 'expired'].includes(status))
      throw new Error(`the download ended ${status}`)
  }
}
