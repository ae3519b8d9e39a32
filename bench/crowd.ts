import { join } from 'node:path'
import { startMeter, type Measured } from './meter.ts'
import type { Source } from './source.ts'
import { ask, finished, startBenchStack, type BenchStack } from './stack.ts'

/** Agents that start beside each other. */
const STARTING = 4
/** ms between two looks at how many uploads run. */
const LOOK_MS = 200

export interface Crowd {
  seconds: number
  /** The most uploads that were seen under way at a time. */
  atOnce: number
  server: Measured
  agents: Measured[]
}

/** Sends a file from many agents, each a process of its own, to one server at once. */
export async function sendFromMany(folder: string, source: Source, count: number): Promise<Crowd> {
  const stack = await startBenchStack({ folder: join(folder, 'server') })
  try {
    const ids = Array.from({ length: count }, (_, index) => `site-${index + 1}`)
    const pids = await startAgents(stack, ids, source)
    const [server, agents] = [await startMeter(stack.serverPid), await Promise.all(pids.map(startMeter))]
    const watch = watchUploads(stack)
    const begun = performance.now()
    await Promise.all(ids.map(async (id) => finished(stack.url, await ask(stack.url, id))))
    return {
      seconds: (performance.now() - begun) / 1000,
      atOnce: watch.stop(),
      server: await server.stop(),
      agents: await Promise.all(agents.map((agent) => agent.stop())),
    }
  } finally {
    await stack.stop()
  }
}

async function startAgents(stack: BenchStack, ids: readonly string[], { path }: Source): Promise<number[]> {
  const pids: number[] = []
  for (let at = 0; at < ids.length; at += STARTING) {
    pids.push(...(await Promise.all(ids.slice(at, at + STARTING).map((id) => stack.agent(id, ['--file', path])))))
  }
  return pids
}

function watchUploads({ url }: BenchStack): { stop(): number } {
  let most = 0
  const look = async (): Promise<void> => {
    const response = await fetch(`${url}/downloads?status=transferring&limit=1000`)
    const { downloads } = (await response.json()) as { downloads: unknown[] }
    most = Math.max(most, downloads.length)
  }
  const looking = setInterval(() => void look().catch(() => undefined), LOOK_MS)
  return {
    stop() {
      clearInterval(looking)
      return most
    },
  }
}
