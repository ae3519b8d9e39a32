import { openConnection, requestText } from '../idle/connection.ts'
import { inLanes } from './lanes.ts'
import { done, taskOf, tell, toldToGo } from './lines.ts'
import type { PollTask } from './polling.ts'

// Agents that poll without waiting, one poll after the other, as fast as they are answered. Started by
// bench/shared/polling.ts.
const { urls, agents, seconds } = taskOf() as PollTask
/** Sessions that are begun at the same time. */
const AT_ONCE = 8

let counting = false
let answered = 0
const wrong: string[] = []

/** An agent with a session. @returns makes it poll for ever */
async function startAgent(number: number): Promise<() => void> {
  const url = new URL(urls[number % urls.length]!)
  const id = `poller-${process.pid}-${number}`
  let rev = 0
  let onAnswer = (_status: number, _body: string): void => undefined
  const connection = openConnection({
    url,
    onAnswer: (status, body) => onAnswer(status, body),
    onEnd: (why) => void wrong.push(`${id}: ${why}`),
  })

  const body = JSON.stringify({
    protocol: 1,
    clientId: id,
    instance: `instance-of-${id}`,
    takeover: true,
    agent: { version: 'bench', platform: 'bench', hostname: id },
    shared: [],
    labels: {},
  })
  const begun = new Promise<string>((resolve, reject) => {
    onAnswer = (status, text) => {
      if (status === 201) resolve((JSON.parse(text) as { session: string }).session)
      else reject(new Error(`no session for ${id}: ${status} ${text}`))
    }
  })
  connection.send(requestText(url, 'POST /sessions HTTP/1.1', [], body))
  const own = [`agent-session: ${await begun}`]

  const poll = (): void =>
    connection.send(requestText(url, `GET /jobs?client=${id}${rev === 0 ? '' : `&seen=${rev}`} HTTP/1.1`, own))
  onAnswer = (status, text) => {
    if (status === 200) ({ rev } = JSON.parse(text) as { rev: number })
    if (status !== 200 && status !== 204) wrong.push(`${id}: ${status} ${text.slice(0, 200)}`)
    if (counting) answered += 1
    poll()
  }
  return poll
}

const polls: (() => void)[] = []
await inLanes(agents, AT_ONCE, async (number) => {
  polls.push(await startAgent(number))
})
tell({ msg: 'ready' })
await toldToGo()
for (const poll of polls) poll()
await counted()
tell({ msg: 'polls', answered, seconds, wrong: wrong.slice(0, 20) })
done()
process.exit()

/** Counts for so long, after a second of running in. */
async function counted(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1000))
  counting = true
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  counting = false
}
