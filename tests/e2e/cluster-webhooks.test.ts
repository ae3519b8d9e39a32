import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { startCluster, type Cluster } from '../helpers/cluster.ts'
import { metricsOf, valueOf } from '../helpers/prometheus.ts'
import { startReceiver, type Receiver } from '../helpers/receiver.ts'
import { rawAgent, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

/** A server that does not answer any more is believed dead after 15 s. */
const TAKEN_OVER = 60_000

describe('webhooks of three servers', () => {
  let cluster: Cluster
  let to: Receiver
  let isSilent = false

  beforeAll(async () => {
    to = await startReceiver((response) => isSilent || response.writeHead(204).end())
    const env = { WEBHOOK_URL: to.url, WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 'k').toString('base64')}` }
    cluster = await startCluster({ env })
    await rawAgent(cluster.servers[0], 'shop_1')
  }, 120_000)
  afterAll(async () => {
    await cluster.stop()
    await to.close()
  })

  /** A download that has failed, at one server. @returns its id */
  const fail = async (at: Stack): Promise<string> => {
    const { id } = await at.ask({ clientId: 'shop_1', path: 'menu.txt' })
    await at.post(`/jobs/${id}/fail`, { code: 'denied' })
    return String(id)
  }
  const told = (): string[] => to.received.map(({ json }) => String(json['data']['downloadId'])).toSorted()
  const allTaken = (): Promise<unknown> =>
    until('nothing to wait', async () => {
      const [row] = await cluster.stores.query(
        `SELECT (SELECT count(*) FROM deliveries) AS waiting,
                (SELECT count(*) FROM events, webhooks
                 WHERE (xid::text::bigint, seq) > (split_part(position, '-', 1)::bigint, split_part(position, '-', 2)::bigint)) AS unread`,
      )
      return Number(row?.['waiting']) === 0 && Number(row?.['unread']) === 0
    })
  const delivered = async (at: Stack): Promise<number> =>
    valueOf(await metricsOf(at), 'backhaul_webhook_deliveries_total{outcome="delivered"}') ?? 0

  test('what happens at any of them is told once, by one; another goes on when that is killed in the middle', async () => {
    const { servers } = cluster
    const sender = await until('one to begin', async () =>
      servers.find(({ server }) => server.output().includes('webhooks tell what happens from now on')),
    )
    const others = servers.filter((each) => each !== sender)
    const ids = await Promise.all([...servers, ...servers].map(fail))
    await to.has(ids.length)
    await allTaken()
    expect(told()).toEqual(ids.toSorted())
    expect(await Promise.all([sender, ...others].map(delivered))).toEqual([ids.length, 0, 0])

    isSilent = true
    const open = await fail(sender)
    await to.has(ids.length + 1)
    await sender.server.kill('SIGKILL')
    isSilent = false
    const meanwhile = await fail(others[0]!)
    await until('another to go on', async () => to.received.length === ids.length + 3, TAKEN_OVER)
    await allTaken()
    // What was cut off comes again under its name, by which a receiver knows it.
    expect(told()).toEqual([...ids, open, open, meanwhile].toSorted())
    const names = to.received.map(({ headers }) => headers['webhook-id'])
    expect(new Set(names).size).toBe(ids.length + 2)
    const [one = 0, two = 0] = await Promise.all(others.map(delivered))
    expect([one + two, one * two]).toEqual([2, 0])
  })
})
