import { randomBytes } from 'node:crypto'
import { machineMs, openConnection, requestText } from './connection.ts'
import { clientId, type CrowdTask, type FromCrowd, type Tally, type ToCrowd } from './messages.ts'

// Thousands of agents in one process, as cheap as they can be: each a connection, a session, and one poll after the
// other with the headers that agent/poll.ts sends. Started by bench/idle.ts.
const task = JSON.parse(process.argv[2] ?? '{}') as CrowdTask
const url = new URL(task.url)
/** Sessions that are begun at the same time. */
const AT_ONCE = 20
/** From one address there are too few ports for all. */
const ADDRESSES = 8
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
async function startAgent(number: number): Promise<() => void> {
  const id = clientId(number)
  let session = ''
  let own = common
  let rev = 0
  let sentAt = 0
  let jobs = new Set<string>()

  const poll = (): void => {
    const seen = rev === 0 ? '' : `&seen=${rev}`
    sentAt = performance.now()
    tally.held += 1
    connection.send(
      requestText(url, `GET /jobs?client=${id}${seen} HTTP/1.1`, [
        ...own,
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
    from: `127.0.0.${2 + (number % ADDRESSES)}`,
    onAnswer: (status, body) => (session === '' ? made(status, body) : answered(status, body)),
    onEnd: (why) => wrong(`${id}: ${why}`),
  })
  let made: (status: number, body: string) => void = () => undefined
  /** Posts what is answered 201. */
  const make = <T>(path: string, headers: string[], body: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      made = (status, answer) => {
        if (status !== 201) return reject(new Error(`no ${path} for ${id}: ${status} ${answer}`))
        resolve(JSON.parse(answer) as T)
      }
      connection.send(requestText(url, `POST ${path} HTTP/1.1`, headers, JSON.stringify(body)))
    })

  const enrolToken = task.enrolTokens[Math.floor(number / ADDRESSES) % task.enrolTokens.length]
  if (enrolToken !== undefined) {
    const leave = [...common, `authorization: Bearer ${enrolToken}`]
    const { secret } = await make<{ secret: string }>('/credentials', leave, { clientId: id })
    own = [...common, `authorization: Bearer ${secret}`]
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
  session = (await make<{ session: string }>('/sessions', own, request)).session
  return poll
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
