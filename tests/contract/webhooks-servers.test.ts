import { expect, test } from '@jest/globals'
import { pino } from 'pino'
import type { Download } from '../../shared/operator.ts'
import { readConfig } from '../../server/config.ts'
import { openPostgres } from '../../server/stores/postgres/index.ts'
import { createWebhooks } from '../../server/webhooks/index.ts'
import { describeWith } from '../helpers/needs.ts'
import { databaseUrl, postgresLacking } from '../helpers/postgres.ts'
import { startProxy } from '../helpers/proxy.ts'
import { startReceiver } from '../helpers/receiver.ts'
import { expected } from '../helpers/reports.ts'
import { until } from '../helpers/until.ts'
import { draft } from './drafts.ts'

const WEBHOOK_SECRET = `whsec_${Buffer.alloc(24, 'k').toString('base64')}`

/** What a server has of webhooks. */
async function openServer(url: string, to: string) {
  const stores = await openPostgres({ url, report: expected })
  const lines: string[] = []
  const webhooks = createWebhooks({
    ...stores,
    settings: readConfig({ WEBHOOK_URL: to, WEBHOOK_SECRET }).webhooks!,
    present: { download: ({ id }) => ({ id }) as Download },
    clock: { now: Date.now, monotonic: () => performance.now() },
    log: pino({}, { write: (line) => void lines.push(line) }),
    version: '1',
    count: () => undefined,
  })
  return {
    jobs: stores.jobs,
    waiting: stores.webhooks.count,
    /** A download that has failed. @returns its id */
    async fail() {
      const [download] = (await stores.jobs.createDownloads([draft('e1')])).downloads
      await stores.jobs.transition({ id: download!.id, from: ['queued'], set: { status: 'failed' } })
      return download!.id
    },
    step: webhooks.step,
    says: (text: string) => lines.some((line) => line.includes(text)),
    async close() {
      await webhooks.stop()
      await stores.wakes.close()
      await stores.leases.close()
      await stores.jobs.close()
    },
  }
}

describeWith({ otherwise: postgresLacking() }, 'webhooks of several servers', () => {
  test('are sent by one of them, and by another once that is gone', async () => {
    const to = await startReceiver()
    const url = await databaseUrl()
    const [first, second] = [await openServer(url, to.url), await openServer(url, to.url)]
    const told = (): string[] => to.received.map(({ json }) => String(json['data']['downloadId']))
    await second.jobs.recordContacts([{ clientId: 'e1', at: 1 }])
    await until('the first to begin', async () => {
      await first.step()
      await second.step()
      return first.says('from now on')
    })
    const ids = [await second.fail(), await second.fail(), await second.fail()]
    await until('all to be told', async () => {
      await Promise.all([first.step(), second.step()])
      return to.received.length >= ids.length && (await second.waiting()) === 0
    })
    await first.close()
    ids.push(await second.fail())
    await until('the next to be told', async () => {
      await second.step()
      return told().includes(ids[3]!)
    })
    await second.close()
    await to.close()
    expect(told().toSorted()).toEqual(ids.toSorted())
    expect(second.says('from now on')).toBe(false)
  })

  test('are never sent by two at once: who may be taken for dead by the others sends nothing any more', async () => {
    const to = await startReceiver(() => undefined)
    const url = await databaseUrl()
    const line = await startProxy(url)
    const byLine = Object.assign(new URL(url), { port: new URL(line.url).port }).href
    const [lonely, other] = [await openServer(byLine, to.url), await openServer(url, to.url)]
    await other.jobs.recordContacts([{ clientId: 'e1', at: 1 }])
    await until('the first to begin', async () => {
      await lonely.step()
      return lonely.says('from now on')
    })
    await other.fail()
    await until('it to be sent', async () => {
      await lonely.step()
      return to.received.length === 1
    })
    line.silence()
    await until('the other to send it, too', async () => {
      await other.step()
      return to.received.length === 2
    })
    expect(to.received[1]!.headers['webhook-id']).toBe(to.received[0]!.headers['webhook-id'])
    expect(to.mostAtOnce()).toBe(1)
    line.mend()
    line.cut()
    await Promise.all([lonely.close(), other.close()])
    await line.close()
    await to.close()
  })
})
