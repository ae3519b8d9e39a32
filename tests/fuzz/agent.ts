import { once } from 'node:events'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Random } from '../chaos/random.ts'
import { temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { startScript, type Running } from '../helpers/process.ts'
import { answer, SIZE } from './answers.ts'

const AGENTS = 8
const SECRET = 'nobody shared this with anybody'
/** What an agent may take beyond what it took after the first seconds, in MB. */
const LEAK_MB = 60
const SETTLE_MS = 5_000

/** Answers real agents as no server would, and looks whether they stand, and have given away nothing. */
export async function fuzzAgents({
  random,
  until,
  signal,
  onProgress,
}: {
  random: Random
  /** Of performance.now(). */
  until: number
  signal: AbortSignal
  onProgress: () => void
}): Promise<{ answers: number; wrong: string[] }> {
  const { folder, remove } = await temporaryFolder()
  const bait = { shared: join(folder, 'shared', 'file.bin'), secret: join(folder, 'secret.txt') }
  await mkdir(join(folder, 'shared'))
  await writeRandom(bait.shared, SIZE)
  await writeFile(bait.secret, SECRET)
  const wrong: string[] = []
  let answers = 0

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await swallow(request, wrong)
    answers += 1
    onProgress()
    answer(random, request, response, bait)
  }

  const server = createServer((request, response) => {
    void respond(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const agents = Array.from({ length: AGENTS }, (_, index) => startAgent(`fuzz-${index}`, { url, folder, ...bait }))
  try {
    await over(Math.min(until, performance.now() + SETTLE_MS), signal)
    const early = await Promise.all(agents.map(memoryOf))
    await over(until, signal)
    for (const [index, agent] of agents.entries()) await judge(agent, early[index] ?? 0, wrong)
    const known = ['secret.txt', 'shared', 'state']
    for (const name of (await readdir(folder)).filter((one) => !known.includes(one)))
      wrong.push(`written outside: ${name}`)
    return { answers, wrong }
  } finally {
    await Promise.all(agents.map((agent) => agent.kill('SIGKILL')))
    server.closeAllConnections()
    server.close()
    await remove()
  }
}

interface Where {
  url: string
  folder: string
  shared: string
}

function startAgent(id: string, { url, folder, shared }: Where): Running {
  const args = ['--id', id, '--server', url, '--port', 'off', '--state-dir', join(folder, 'state', id)]
  return startScript('agent', [...args, '--key-days', '0', '--file', shared, '--root', join(folder, 'shared')], {
    HOME: folder,
    ENROL_TOKEN: 'bhe_x',
  })
}

/** Reads what an agent sends: nothing of it may be what it does not share. */
async function swallow(request: IncomingMessage, wrong: string[]): Promise<void> {
  try {
    for await (const piece of request) {
      if ((piece as Buffer).includes(SECRET)) wrong.push(`${request.method} ${request.url} carried what is not shared`)
    }
  } catch {
    // It went away in the middle, as it may.
  }
}

async function over(until: number, signal: AbortSignal): Promise<void> {
  const left = Math.max(0, Math.ceil(until - performance.now()))
  await once(signal, 'abort', { signal: AbortSignal.timeout(left) }).catch(() => undefined)
}

/** MB. */
async function memoryOf({ child }: Running): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
}

async function judge(agent: Running, early: number, wrong: string[]): Promise<void> {
  if (agent.child.exitCode !== null || agent.child.signalCode !== null) {
    wrong.push(`an agent ended:\n${agent.output().slice(-2000)}`)
    return
  }
  const now = await memoryOf(agent)
  if (now > early + LEAK_MB) wrong.push(`an agent took ${Math.round(early)} MB, and takes ${Math.round(now)} MB`)
  const lines = agent.output().split('\n')
  const bad = lines.filter((line) => /TypeError|RangeError|ReferenceError|something unexpected happened/.test(line))
  for (const line of bad.slice(0, 3)) wrong.push(`log of an agent: ${line.slice(0, 600)}`)
}
