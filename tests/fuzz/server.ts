import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Random } from '../chaos/random.ts'
import { ADMIN } from '../helpers/admin.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
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

/** Two clients with a bearer token each, operators of every role, and a download of each client. */
async function prepare(stack: Stack): Promise<Targets> {
  const post = async (path: string, body: Json, headers: Record<string, string> = {}): Promise<Json> =>
    (await stack.post(path, body, headers)).body
  const bearers: string[] = []
  const sessions: string[] = []
  for (const clientId of CLIENTS) {
    const enrolment = await post('/enrolments', { clients: clientId })
    const authorization = `Bearer ${enrolment['secret']}`
    const bearer = (await post('/credentials', { clientId }, { authorization }))['secret']
    const agent = { version: '1', platform: 'x', hostname: 'h' }
    const request = { protocol: 1, clientId, instance: `fuzz-${clientId}-instance`, takeover: true, agent, shared: [] }
    sessions.push((await post('/sessions', request, { authorization: `Bearer ${bearer}` }))['session'])
    bearers.push(String(bearer))
  }
  const operators = ['reader', 'operator'].map((role) => post('/tokens', { name: role, role }))
  const tokens = (await Promise.all(operators)).map((token) => String(token['secret']))
  const asked = await Promise.all(CLIENTS.map((clientId) => stack.ask({ clientId, path: 'report.txt' })))
  return {
    clients: CLIENTS,
    downloads: asked.map(({ id }) => String(id)),
    sessions,
    tokens: [...bearers, ...tokens, ADMIN],
  }
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
    if (/\n +at .*\.[jt]s:/.test(answer)) result.wrong.push(`${from}: a stack trace in the answer`)
  } finally {
    clearTimeout(late)
    socket.destroy()
  }
}

/** MB, after the garbage of the start is gone. */
async function memoryOf(stack: Stack): Promise<number> {
  const status = await readFile(`/proc/${stack.server.child.pid}/status`, 'utf8')
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
