import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from '@jest/globals'
import { pino } from 'pino'
import { createApi } from '../../agent/api.ts'
import { createHttp } from '../../agent/http.ts'
import { createPace } from '../../agent/pace.ts'
import { createPoll } from '../../agent/poll.ts'
import { createRetry } from '../../agent/retry.ts'
import { openState } from '../../agent/state.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { until } from '../helpers/until.ts'
import { testWith } from '../helpers/needs.ts'

const log = pino({ level: 'silent' })
let folder: string
let remove: () => Promise<void>

beforeAll(async () => ({ folder, remove } = await temporaryFolder()))
afterAll(() => remove())

/** Starts the server, and the polls of so many agents. @returns what ends both */
async function polling(server: Server, agents: number): Promise<() => Promise<void>> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const state = await openState({ dir: join(folder, 'state'), server: url, log })
  const retry = createRetry({ log })
  const stop = new AbortController()
  const runs = Array.from({ length: agents }, (_, number) => {
    const http = createHttp({ server: url, userAgent: 'test' })
    const api = createApi({ http, retry, session: { session: '1.a' }, onSessionEnd: () => undefined })
    const pace = createPace({ longest: 25, state, log })
    const nothing = (): void => undefined
    const told = {
      clientId: `agent-${number}`,
      spread: 0,
      urgent: () => false,
      onUpdate: () => undefined,
      onJobs: nothing,
      onContact: nothing,
    }
    return createPoll({ api, retry, pace, ...told }).run(stop.signal)
  })
  return async () => {
    stop.abort(new Error('the end'))
    await Promise.allSettled(runs)
    server.closeAllConnections()
    server.close()
  }
}

testWith(
  { long: true },
  'agents of a server that is gone without a word come back scattered over the spread that was told last',
  async () => {
    const AGENTS = 60
    const SPREAD = 3
    const held: ServerResponse[] = []
    const returns: number[] = []
    let goneAt = Infinity
    const server = createServer((request, response) => {
      if (performance.now() > goneAt) returns.push(performance.now() - goneAt)
      else if (request.url?.includes('seen=')) held.push(response)
      else {
        response.writeHead(200, { 'content-type': 'application/json', 'reconnect-spread': String(SPREAD) })
        response.end('{"rev":1,"jobs":[]}')
      }
    })
    const end = await polling(server, AGENTS)
    await until('every poll to be held', async () => held.length === AGENTS)
    goneAt = performance.now()
    server.closeAllConnections()
    await until('all to be back', async () => returns.length >= AGENTS)
    const seconds = [0, 0, 0, 0, 0]
    for (const ms of returns) seconds[Math.floor(ms / 1000)] = (seconds[Math.floor(ms / 1000)] ?? 0) + 1
    // 20 of 60 in each of three seconds, more or less.
    for (const many of seconds) expect(many).toBeLessThan(AGENTS * 0.6)
    for (const some of seconds.slice(0, SPREAD)) expect(some).toBeGreaterThan(AGENTS * 0.1)
    await end()
  },
)

for (const [answers, status, body] of [
  ['204 at once', 204, ''],
  ['an old list from memory', 200, '{"rev":1,"jobs":[]}'],
] as const) {
  const name = `a way that does not let polls wait but answers ${answers} is not asked a thousand times`
  testWith({ long: true }, name, async () => {
    const asked: number[] = []
    const server = createServer((_request, response) => {
      asked.push(performance.now())
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    const end = await polling(server, 1)
    await until('five polls', async () => asked.length >= 5)
    // The first list is news.
    expect((asked[4] ?? 0) - (asked[1] ?? 0)).toBeGreaterThan(2500)
    await end()
  })
}
