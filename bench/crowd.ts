import { join } from 'node:path'
import { startProxy, type Proxy } from '../tests/helpers/proxy.ts'
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

/** Bytes per second of each line. Without it the first agents are done before the last have begun. */
export const LINE = 2e6

/** Sends a file from many agents, each a process and with a slow line of its own, to one server at once. */
export async function sendFromMany(folder: string, source: Source, count: number): Promise<Crowd> {
  const stack = await startBenchStack({ folder: join(folder, 'server') })
  const lines = await Promise.all(Array.from({ length: count }, () => startLine(stack)))
  try {
    const ids = lines.map((_, index) => `site-${index + 1}`)
    const pids = await startAgents(stack, ids, lines, source)
    const [server, agents] = [await startMeter(stack.serverPid), await Promise.all(pids.map(startMeter))]
    const watch = watchUploads(stack)
    const begun = performance.now()
    await Promise.all(ids.map(async (id) => finished(stack, await ask(stack, id))))
    return {
      seconds: (performance.now() - begun) / 1000,
      atOnce: watch.stop(),
      server: await server.stop(),
      agents: await Promise.all(agents.map((agent) => agent.stop())),
    }
  } finally {
    await stack.stop()
    await Promise.all(lines.map((line) => line.close()))
  }
}

async function startLine({ url }: BenchStack): Promise<Proxy> {
  const line = await startProxy(url)
  line.slow(LINE)
  return line
}

async function startAgents(
  stack: BenchStack,
  ids: readonly string[],
  lines: readonly Proxy[],
  { path }: Source,
): Promise<number[]> {
  const pids: number[] = []
  for (let at = 0; at < ids.length; at += STARTING) {
    const some = ids.slice(at, at + STARTING)
    pids.push(
      ...(await Promise.all(some.map((id, index) => stack.agent(id, ['--file', path], lines[at + index]?.url)))),
    )
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
