import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Random } from '../chaos/random.ts'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { undescribed } from './described.ts'
import { attack, type Attack, type Targets } from './requests.ts'

const CLIENTS = ['fuzz_a', 'fuzz_b']
/** Many wait: for the rest of a body, or for news. */
const AT_ONCE = 64
/** Whoever is held longer, in ms, goes. */
const PATIENCE_MS = 3_000

export interface Result {
  requests: number
  statuses: Record<string, number>
  wrong: string[]
}

/** Attacks a real server with tokens of all kinds, and looks whether it stands as before. */
export async function fuzzServer({
  random,
  until,
  signal,
  onProgress,
}: {
  random: Random
  /** Of performance.now(). */
  until: number
  signal: AbortSignal
  onProgress: (requests: number) => void
}): Promise<Result> {
  const stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN, LOG_LEVEL: 'info' })
  const result: Result = { requests: 0, statuses: {}, wrong: [] }
  try {
    const targets = await prepare(stack)
    const early = await memoryOf(stack)
    const worker = async (): Promise<void> => {
      while (performance.now() < until && !signal.aborted && result.wrong.length < 20) {
        if (result.requests % RENEWED_EVERY === 0) await renew(stack, targets)
        await fire(stack, attack(random, targets), result)
        onProgress((result.requests += 1))
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    await judge(stack, early, result)
    return result
  } finally {
    await stack.stop()
  }
}

/** How often what the attacks have ended is made anew, in requests. */
const RENEWED_EVERY = 200

/** Two clients with a bearer token each, operators of every role; downloads and sessions come with `renew`. */
async function prepare(stack: Stack): Promise<Targets> {
  const bearers: string[] = []
  for (const clientId of CLIENTS) {
    const { secret } = (await stack.post('/enrolments', { clients: clientId })).body
    bearers.push(String((await stack.post('/credentials', { clientId }, bearer(secret))).body['secret']))
  }
  const targets = { clients: CLIENTS, downloads: [], sessions: [], tokens: [], bearers }
  await renew(stack, targets)
  return targets
}

/** A session of each client, a download of each that is begun, and operators' tokens that have not been held back yet. */
async function renew(stack: Stack, targets: Targets): Promise<void> {
  const sessions: string[] = []
  const downloads: string[] = []
  for (const [index, clientId] of CLIENTS.entries()) {
    const own = bearer(targets.bearers[index] ?? '')
    const agent = { version: '1', platform: 'x', hostname: 'h' }
    const request = { protocol: 1, clientId, instance: randomUUID(), takeover: true, agent, shared: [] }
    const session = String((await stack.post('/sessions', request, own)).body['session'])
    const { body } = await stack.post('/downloads', { clientId, path: 'report.txt' })
    await stack.post(`/jobs/${body['id']}/begin`, { source: 'v1', size: 10 }, { ...own, 'agent-session': session })
    sessions.push(session)
    downloads.push(String(body['id']))
  }
  const made = ['reader', 'operator'].map((role) => stack.post('/tokens', { name: role, role }))
  const tokens = (await Promise.all(made)).map(({ body }) => String(body['secret']))
  Object.assign(targets, { sessions, downloads, tokens: [...targets.bearers, ...tokens] })
}

async function fire(stack: Stack, { from, bytes, cut }: Attack, result: Result): Promise<void> {
  const socket = connect(Number(new URL(stack.url).port), '127.0.0.1')
  socket.on('error', () => undefined)
  const late = setTimeout(() => socket.destroy(), PATIENCE_MS)
  try {
    socket.write(cut ? bytes.subarray(0, Math.floor(bytes.length * 0.9)) : bytes)
    if (cut) socket.end()
    const answer = await text(socket).catch(() => '')
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 'none'
    result.statuses[status] = (result.statuses[status] ?? 0) + 1
    if (status.startsWith('5') && !/"code":"(client-offline|begin-timeout|store-busy)"/.test(answer)) {
      result.wrong.push(`${from}: ${answer.slice(0, 400)}\n${bytes.subarray(0, 600).toString('latin1')}`)
    }
    const wrong = cut ? undefined : undescribed(bytes.toString('latin1'), answer)
    if (wrong !== undefined) result.wrong.push(`${from}: ${wrong}\n${bytes.subarray(0, 600).toString('latin1')}`)
    if (/\n +at .*\.[jt]s:/.test(answer)) result.wrong.push(`${from}: a stack trace in the answer`)
  } finally {
    clearTimeout(late)
    socket.destroy()
  }
}

/** MB, after the garbage of the start is gone. */
async function memoryOf(stack: Stack): Promise<number> {
  const status = await readFile(`/proc/${stack.server.child.pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

const LEAK_MB = 120

async function judge(stack: Stack, early: number, result: Result): Promise<void> {
  if (stack.server.child.exitCode !== null)
    result.wrong.push(`the server ended:\n${stack.server.output().slice(-2000)}`)
  const health = await fetch(`${stack.url}/ready`).catch(() => undefined)
  if (health?.status !== 200) result.wrong.push('the server is not ready any more')
  const now = await memoryOf(stack)
  if (now > early + LEAK_MB)
    result.wrong.push(`the server took ${Math.round(early)} MB, and takes ${Math.round(now)} MB`)
  const lines = stack.server.output().split('\n')
  for (const line of lines.filter((one) => /"level":[56]0/.test(one)).slice(0, 5))
    result.wrong.push(`log: ${line.slice(0, 1000)}`)
  if (stack.server.output().includes(ADMIN)) result.wrong.push('a token is in the log')
  const there = await readdir(stack.folder)
  const known = ['data', 'downloads', 'state']
  for (const name of there.filter((one) => !known.includes(one))) result.wrong.push(`written outside: ${name}`)
  for (const name of await readdir(join(stack.folder, 'downloads'))) {
    if (!/^(\.incoming|\.lock|fuzz_[ab]_.*)$/.test(name)) result.wrong.push(`a strange file: ${JSON.stringify(name)}`)
  }
}
