import { randomUUID } from 'node:crypto'
import { Agent, request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { headers, PROTOCOL } from '../../shared/protocol.ts'
import { pause } from '../../shared/wait.ts'
import { makeContent } from './content.ts'
import { inLanes } from './lanes.ts'
import { cpuSeconds, done, taskOf, tell, toldToGo } from './lines.ts'
import type { UploadTask } from './uploads.ts'

// Many agents in one process, as cheap as they can be: each has one file, and all of them share some connections. What
// is sent was made and digested before. Started by bench/shared/uploads.ts.
const task = taskOf() as UploadTask
const targets = task.urls.map((url) => ({ url: new URL(url), agent: connections() }))
const content = makeContent(task.size, task.chunk)
/** A file that is being prepared, or asked to be completed, at the same time as others. */
const AT_ONCE = 8
/** ms until a server that has too much to do is asked again, where it does not say. */
const AGAIN_MS = 1000

interface Job {
  id: string
  session: string
  attempt: string
}

interface Answer {
  status: number
  body: string
  retryAfterMs: number | undefined
}

let again = 0

function connections(): Agent {
  return new Agent({ keepAlive: true, maxSockets: task.connections })
}

async function answerOf(response: IncomingMessage): Promise<Answer> {
  const seconds = Number(response.headers['retry-after'])
  return {
    status: response.statusCode ?? 0,
    body: await text(response),
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  }
}

/** One request to the server of this number, as they come round. */
function send(to: number, method: string, path: string, extra: Record<string, string>, body: Buffer): Promise<Answer> {
  const { url, agent } = targets[to % targets.length]!
  return new Promise((resolve, reject) => {
    const sent = request(
      { agent, host: url.hostname, port: url.port, method, path, headers: { ...extra, 'content-length': body.length } },
      (response) => void answerOf(response).then(resolve, reject),
    )
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Sends until the server has time for it. @throws Error for any other answer than one of success */
async function persist(ask: () => Promise<Answer>, what: string): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    if (answer.status < 300) return answer
    if (answer.status !== 503 && answer.status !== 429)
      throw new Error(`${what} was answered ${answer.status}: ${answer.body.slice(0, 500)}`)
    again += 1
    await pause(answer.retryAfterMs ?? AGAIN_MS)
  }
}

async function post(to: number, path: string, body: unknown, session?: string): Promise<Answer> {
  const own = { 'content-type': 'application/json', ...(session ? { [headers.session]: session } : {}) }
  return persist(() => send(to, 'POST', path, own, Buffer.from(JSON.stringify(body))), `POST ${path}`)
}

/** An agent's session, and a download of its file that has begun. */
async function prepare(number: number): Promise<Job> {
  const clientId = `bench-${process.pid}-${number}`
  const opened = await post(number, '/sessions', {
    protocol: PROTOCOL,
    clientId,
    instance: randomUUID(),
    takeover: true,
    agent: { version: 'bench', platform: 'bench', hostname: clientId },
    shared: [],
    labels: {},
  })
  const { session } = JSON.parse(opened.body) as { session: string }
  const { id } = JSON.parse((await post(number, '/downloads', { clientId })).body) as { id: string }
  const begun = await post(number, `/jobs/${id}/begin`, { source: 'v1', size: task.size }, session)
  const { attempt } = JSON.parse(begun.body) as { attempt: number }
  return { id, session, attempt: String(attempt) }
}

/** A file's chunks go to all servers in turn, and those of different files that are sent together do as well. */
async function sendChunk(file: number, number: number): Promise<void> {
  const { id, session, attempt } = jobs[file]!
  const { bytes, digest } = content.piece(number)
  const start = number * task.chunk
  const own = {
    [headers.session]: session,
    [headers.attempt]: attempt,
    [headers.contentRange]: `bytes ${start}-${start + bytes.length - 1}/${task.size}`,
    [headers.chunkDigest]: digest,
  }
  await persist(() => send(file + number, 'PUT', `/jobs/${id}/file`, own, bytes), 'a chunk')
}

async function complete(number: number, { id, session, attempt }: Job): Promise<void> {
  const wanted = { attempt: Number(attempt), size: task.size, sha256: content.sha256 }
  for (;;) {
    const { status, body } = await post(number, `/jobs/${id}/complete`, wanted, session)
    if (status === 202) continue
    const ended = JSON.parse(body) as { status: string; verified: boolean }
    if (ended.status === 'completed' && ended.verified) return
    throw new Error(`a file ended as ${body.slice(0, 500)}`)
  }
}

/** Carries out a step, and tells what it took. */
async function step(msg: string, work: () => Promise<void>): Promise<void> {
  await toldToGo()
  const [begun, cpu] = [performance.now(), cpuSeconds()]
  await work()
  tell({ msg, seconds: (performance.now() - begun) / 1000, cpu: cpuSeconds() - cpu, again })
}

const jobs: Job[] = []
await inLanes(task.files, AT_ONCE, async (number) => {
  jobs[number] = await prepare(number)
})
tell({ msg: 'ready' })
// Of all files the first chunks, then the second ones: all are under way at a time.
await step('durable', () =>
  inLanes(task.files * content.pieces, task.connections, (number) =>
    sendChunk(number % task.files, Math.floor(number / task.files)),
  ),
)
if (task.complete)
  await step('completed', () => inLanes(task.files, task.files, (number) => complete(number, jobs[number]!)))
for (const { agent } of targets) agent.destroy()
done()
