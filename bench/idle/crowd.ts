import { randomBytes } from 'node:crypto'
import { machineMs, openConnection, requestText } from './connection.ts'
import { clientId, type CrowdTask, type FromCrowd, type Tally, type ToCrowd } from './messages.ts'

// Thousands of agents in one process, as cheap as they can be: each a connection, a session, and one poll after the
// other with the headers that agent/poll.ts sends. Started by bench/idle.ts.
const task = JSON.parse(process.argv[2] ?? '{}') as CrowdTask
const url = new URL(task.url)
/** Sessions that are begun at the same time. */
const AT_ONCE = 20
/** As agent/poll.ts: polls that bring nothing new follow each other no faster, in ms. */
const SHORTEST_MS = 900

const common = [
  'user-agent: backhaul-agent/0.1.0',
  'accept: application/json, application/problem+json',
  'accept-encoding: gzip, deflate, br, zstd',
]
const tally: Tally = { answers: {}, held: 0, wrong: [] }
const tell = (message: FromCrowd): void => void process.send?.(message)
const wrong = (what: string): void => {
  if (tally.wrong.length < 20) tally.wrong.push(what)
}

interface List {
  rev: number
  jobs: { id: string }[]
}

/** An agent that has begun its session. @returns a function that makes it poll */
function startAgent(number: number): Promise<() => void> {
  const id = clientId(number)
  let session = ''
  let rev = 0
  let sentAt = 0
  let jobs = new Set<string>()

  const poll = (): void => {
    const seen = rev === 0 ? '' : `&seen=${rev}`
    sentAt = performance.now()
    tally.held += 1
    connection.send(
      requestText(url, `GET /jobs?client=${id}${seen} HTTP/1.1`, [
        ...common,
        `agent-session: ${session}`,
        'prefer: wait=25',
      ]),
    )
  }

  const news = (body: string, at: number): boolean => {
    const list = JSON.parse(body) as List
    for (const job of list.jobs) if (!jobs.has(job.id)) tell({ kind: 'job', id: job.id, at })
    jobs = new Set(list.jobs.map((job) => job.id))
    if (list.rev < rev) wrong(`${id}: revision ${list.rev} after ${rev}`)
    const isNew = list.rev !== rev
    rev = list.rev
    return isNew
  }

  const answered = (status: number, body: string): void => {
    const at = machineMs()
    tally.held -= 1
    tally.answers[status] = (tally.answers[status] ?? 0) + 1
    if (status !== 200 && status !== 204) wrong(`${id}: ${status} ${body.slice(0, 200)}`)
    if (status === 200 && news(body, at)) return poll()
    const pause = SHORTEST_MS - (performance.now() - sentAt)
    if (pause > 0) setTimeout(poll, pause)
    else poll()
  }

  const connection = openConnection({
    url,
    from: `127.0.0.${2 + (number % 8)}`,
    onAnswer: (status, body) => (session === '' ? begun(status, body) : answered(status, body)),
    onEnd: (why) => wrong(`${id}: ${why}`),
  })
  let begun: (status: number, body: string) => void = () => undefined
  return new Promise((resolve, reject) => {
    begun = (status, body) => {
      if (status !== 201) return reject(new Error(`no session for ${id}: ${status} ${body}`))
      session = (JSON.parse(body) as { session: string }).session
      resolve(poll)
    }
    const request = {
      protocol: 1,
      instance: randomBytes(18).toString('base64url'),
      takeover: true,
      clientId: id,
      agent: { version: '0.1.0', platform: 'linux-x64', hostname: `till-${number}` },
      shared: ['/srv/till/export'],
      labels: { region: number % 2 === 0 ? 'west' : 'east' },
    }
    connection.send(requestText(url, 'POST /sessions HTTP/1.1', common, JSON.stringify(request)))
  })
}

const polls: (() => void)[] = []
process.on('message', (message: ToCrowd) => {
  if (message.kind === 'tally') tell({ kind: 'tally', tally })
  else for (const poll of polls) poll()
})
// The bench is gone: nobody is left to measure for.
process.on('disconnect', () => process.exit(0))

let next = task.first
const startSome = async (): Promise<void> => {
  while (next < task.first + task.count) {
    const poll = await startAgent((next += 1) - 1)
    if (task.together) polls.push(poll)
    else poll()
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, startSome))
tell({ kind: 'ready' })
