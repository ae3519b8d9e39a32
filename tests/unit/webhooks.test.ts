import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as immediately } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { readConfig } from '../../server/config.ts'
import { createPresent } from '../../server/http/present.ts'
import { createWebhooks, type Webhooks } from '../../server/webhooks/index.ts'
import { draft } from '../contract/drafts.ts'
import { openDomain, type OpenDomain } from '../helpers/domain.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { startReceiver, type Receiver } from '../helpers/receiver.ts'
import type { Json } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const HOUR = 60 * 60_000
const SECRET = `whsec_${Buffer.alloc(24, 'k').toString('base64')}`

let opened: OpenDomain
let path: string
let remove: () => Promise<void>
let lines: Json[]
let counts: Record<string, number>
/** What the clock of webhooks is ahead of ours, in ms. */
let ahead: number
/** Whether this server is the one to send, as it is told one time after the other; afterwards it is. */
let mine: unknown[]
let running: Webhooks[]
let receivers: Receiver[]

beforeEach(async () => {
  const made = await temporaryFolder()
  remove = made.remove
  path = join(made.folder, 'backhaul.db')
  opened = await openDomain(made.folder)
  await opened.stores.jobs.recordContacts([{ clientId: 'e1', at: 1 }])
  ;[lines, counts, ahead, mine, running, receivers] = [[], {}, 0, [], [], []]
})
afterEach(async () => {
  for (const each of running) await each.stop()
  for (const each of receivers) await each.close()
  await opened.close()
  await remove()
})

const receiver: typeof startReceiver = async (...args) => {
  const started = await startReceiver(...args)
  receivers.push(started)
  return started
}
/** Webhooks to these, as a server has them after a start. */
const start = (to: Receiver[], env: Record<string, string> = {}): Webhooks => {
  const { stores, domain } = opened
  const settings = readConfig({ WEBHOOK_URL: to.map(({ url }) => url).join(' '), WEBHOOK_SECRET: SECRET, ...env })
  const webhooks = createWebhooks({
    ...stores,
    settings: settings.webhooks!,
    leases: { ...stores.leases, hold: async () => (mine.shift() ?? true) === true },
    present: createPresent({ bytes: stores.bytes, presence: domain.presence }),
    clock: { now: () => Date.now() + ahead, monotonic: () => performance.now() },
    log: pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line) as Json) }),
    version: '1',
    count: (outcome, deliveries = 1) => (counts[outcome] = (counts[outcome] ?? 0) + deliveries),
  })
  running.push(webhooks)
  return webhooks
}
/** The same, once the endpoints are known. */
const begin = async (to: Receiver[], env: Record<string, string> = {}): Promise<Webhooks> => {
  const known = says('webhooks tell what happens from now on')
  const webhooks = start(to, env)
  await webhooks.step()
  await until('them to begin', async () => says('webhooks tell what happens from now on') === known + to.length)
  return webhooks
}
const says = (msg: string): number => lines.filter((line) => line['msg'] === msg).length
const counted = (webhooks: Webhooks, outcome: string, count: number): Promise<unknown> =>
  until(`${outcome} to be counted`, async () => {
    await webhooks.step()
    return counts[outcome] === count
  })
const keyOf = ({ url }: Receiver): string =>
  readConfig({ WEBHOOK_URL: url, WEBHOOK_SECRET: SECRET }).webhooks!.endpoints[0]!.key

/** Downloads that have failed. @returns their ids */
const fail = async (count = 1): Promise<string[]> => {
  const { jobs } = opened.stores
  const { downloads } = await jobs.createDownloads(
    Array.from({ length: count }, (_, n) => draft('e1', { askedBy: `a${n}` })),
  )
  for (const { id } of downloads) await jobs.transition({ id, from: ['queued'], set: { status: 'failed' } })
  return downloads.map(({ id }) => id)
}
const toldOf = ({ received }: Receiver): string[] => received.map(({ json }) => json['data']['downloadId'])

test('a new endpoint hears of what happens from now on, and another start changes nothing in that', async () => {
  const to = await receiver()
  await fail()
  await (await begin([to])).stop()
  const ids = await fail(2)
  await start([to]).step()
  await to.has(2)
  expect(toldOf(to).toSorted()).toEqual(ids.toSorted())
})

test('all that has happened is told, however much it is, and nothing twice', async () => {
  const to = await receiver()
  const webhooks = await begin([to])
  const ids = await fail(150)
  await counted(webhooks, 'delivered', 150)
  expect(toldOf(to).toSorted()).toEqual(ids.toSorted())
  await until('nothing to wait', async () => (await opened.stores.webhooks.count()) === 0)
})

test('what is told is of the types that are wanted; of what is no download there is none', async () => {
  const to = await receiver()
  const webhooks = await begin([to], { WEBHOOK_EVENTS: 'download.queued,client.connected' })
  await fail()
  const agent = { version: '2', platform: 'test', hostname: 'till' }
  const session = { protocol: 1, clientId: 'e2', instance: 'first', takeover: false, agent, shared: [], labels: {} }
  await opened.domain.sessions.begin(session)
  await counted(webhooks, 'delivered', 2)
  const heard = (await to.has(2)).toSorted((a, b) => (a.json['type'] < b.json['type'] ? 1 : -1))
  expect(heard.map(({ json }) => [json['type'], json['data']['download']?.['status']])).toEqual([
    ['download.queued', 'failed'],
    ['client.connected', undefined],
  ])
  expect(heard[1]!.json['data']).toMatchObject({ clientId: 'e2', version: '2', download: null })
})

test('it is tried for three days, and then given up', async () => {
  const to = await receiver((response) => response.writeHead(500).end())
  const webhooks = await begin([to])
  const [id] = await fail()
  for (let attempts = 1; counts['given-up'] === undefined; attempts += 1) {
    await until(`attempt ${attempts}`, async () => {
      await webhooks.step()
      return to.received.length === attempts
    })
    await until('it to be judged', async () => counts['retried'] === attempts || counts['given-up'] === 1)
    ahead += 12 * HOUR
  }
  expect(counts).toEqual({ retried: 6, 'given-up': 1 })
  expect(new Set(to.received.map(({ headers, body }) => `${String(headers['webhook-id'])} ${body}`)).size).toBe(1)
  const [line] = lines.filter(({ msg }) => msg === 'a webhook is given up')
  expect(line).toMatchObject({ level: 40, id, type: 'download.failed', attempts: 7, answer: 'HTTP 500' })
  await until('nothing to wait', async () => (await opened.stores.webhooks.count()) === 0)
})

test('an endpoint that says when to come again is asked then', async () => {
  const to = await receiver((response) => response.writeHead(503, { 'retry-after': '3600' }).end())
  const webhooks = await begin([to])
  await fail()
  await counted(webhooks, 'retried', 1)
  const due = async (inMs: number): Promise<number> =>
    (await opened.stores.webhooks.due(keyOf(to), Date.now() + inMs, 9)).length
  await until('it to be written', async () => (await due(0)) === 0)
  expect(await due(3500_000)).toBe(0)
  expect(await opened.stores.webhooks.due(keyOf(to), Date.now() + 3600_000, 9)).toMatchObject([
    { attempts: 1, lastStatus: 503 },
  ])
})

test('the way out is by the proxy that is set', async () => {
  const proxy = await receiver()
  const env = { WEBHOOK_URL: 'http://bot/hook?key=1', HTTP_PROXY: proxy.url }
  const webhooks = await begin([proxy], env)
  await fail()
  await counted(webhooks, 'delivered', 1)
  expect(proxy.received).toMatchObject([{ path: 'http://bot/hook?key=1', headers: { host: 'bot' } }])
})

test('what is forgotten is not told: the endpoint begins anew, and the log says so', async () => {
  const to = await receiver()
  await (await begin([to])).stop()
  await fail()
  await opened.stores.events.forget(Date.now() + HOUR, 100)
  const webhooks = start([to])
  await webhooks.step()
  await until('it to be said', async () => lines.some(({ msg, level }) => level === 40 && /begins anew/.test(msg)))
  const ids = await fail()
  await counted(webhooks, 'delivered', 1)
  expect(toldOf(to)).toEqual(ids)
})

test('what is older than what is given up is not told to one that was away from the settings', async () => {
  const to = await receiver()
  await (await begin([to])).stop()
  await fail()
  const before = await opened.stores.webhooks.position(keyOf(to))
  ahead = 73 * HOUR
  await start([to]).step()
  await until('it to be passed', async () => (await opened.stores.webhooks.position(keyOf(to))) !== before)
  expect([await opened.stores.webhooks.count(), to.received]).toEqual([0, []])
})

test('an endpoint that is left out is forgotten, with what waits for it', async () => {
  const [away, to] = [await receiver((response) => response.writeHead(500).end()), await receiver()]
  const webhooks = await begin([away, to])
  await fail()
  await counted(webhooks, 'delivered', 1)
  await counted(webhooks, 'retried', 1)
  await webhooks.stop()
  await start([to]).step()
  const { webhooks: store } = opened.stores
  expect(await store.position(keyOf(away))).toBeUndefined()
  expect(await store.position(keyOf(to))).toBeDefined()
  expect(await store.count()).toBe(0)
})

test('what was taken is not sent again while the database cannot be written', async () => {
  const other = new DatabaseSync(path, { timeout: 5000 })
  const to = await receiver((response) => {
    other.exec('BEGIN IMMEDIATE')
    response.writeHead(200).end()
  })
  const webhooks = await begin([to])
  await fail()
  await until('it to fail', async () => {
    await webhooks.step()
    return lines.some(({ level }) => level === 50)
  })
  const failed = lines.filter(({ level }) => level === 50)
  for (let turns = 0; turns < 3; turns += 1) {
    await webhooks.step()
    // The run that this has begun ends as the one before.
    await until('a turn', async () => opened.stores.jobs.findDownload('x').then(() => true))
  }
  expect(failed).toMatchObject([{ msg: 'webhooks wait: the database cannot be used; it is tried again' }])
  other.exec('ROLLBACK')
  await until('it to be written', async () => {
    await webhooks.step()
    return (await opened.stores.webhooks.count()) === 0
  })
  other.close()
  expect(to.received).toHaveLength(1)
  expect(counts).toEqual({ delivered: 1 })
})

test('a server that is not the one to send looks at nothing, and one that is no more does not go on', async () => {
  const to = await receiver()
  const webhooks = await begin([to])
  await webhooks.stop()
  const before = await opened.stores.webhooks.position(keyOf(to))
  const ids = await fail()
  for (const answers of [[false], [true, false]]) {
    mine = [...answers, 'no more questions']
    const other = start([to])
    await other.step()
    await until('it to ask', async () => mine.length === 1)
    await immediately()
    expect(mine).toEqual(['no more questions'])
    await other.stop()
    expect([await opened.stores.webhooks.position(keyOf(to)), to.received]).toEqual([before, []])
  }
  mine = []
  await counted(start([to]), 'delivered', 1)
  expect(toldOf(to)).toEqual(ids)
})
