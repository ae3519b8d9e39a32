import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { version } from '../../shared/version.ts'
import { ADMIN, bearer } from '../helpers/admin.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

describe('the overview', () => {
  let stack: Stack

  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.stop())

  test('counts clients and downloads as they come and go', async () => {
    const nothing = { queued: 0, transferring: 0, verifying: 0 }
    const first = await stack.get('/overview')
    expect(first).toEqual({ at: first['at'], version, clients: { known: 0, online: 0 }, downloads: nothing })
    expect(Math.abs(Date.parse(first['at']) - Date.now())).toBeLessThan(60_000)

    await stack.execute(`INSERT INTO clients (id, last_seen) VALUES ('long-gone', 1)`)
    const job = await beginByHand(stack, Buffer.from('some bytes'))
    await stack.ask({ clientId: job.clientId })
    await stack.ask({ clientId: 'long-gone' })
    // What was counted a moment ago may be told for a moment.
    const counted = (wanted: Json): Promise<unknown> =>
      until(JSON.stringify(wanted), async () => {
        const { clients, downloads } = await stack.get('/overview')
        return JSON.stringify({ clients, downloads }) === JSON.stringify(wanted)
      })
    const clients = { known: 2, online: 1 }
    await counted({ clients, downloads: { queued: 2, transferring: 1, verifying: 0 } })
    await job.fail(job.id, 'not-found', 1)
    await counted({ clients, downloads: { queued: 2, transferring: 0, verifying: 0 } })
  })
})

describe('the overview for a token of some clients and paths', () => {
  test('counts what the token is for, and nothing else', async () => {
    const stack = await startStack({ AUTH: 'on', ADMIN_TOKEN: ADMIN })
    // More than are looked through at once.
    const many = Array.from({ length: 600 }, (_, n) => `('other_${n}', 1), ('shop_${n}', 1)`)
    await stack.execute(`INSERT INTO clients (id, last_seen) VALUES ${many.join(', ')}`)
    await stack.online('shop_1000')
    for (const [clientId, path] of [
      ['shop_1', 'report.txt'],
      ['shop_1', 'secret.txt'],
      ['shop_1', undefined],
      ['other_1', 'report.txt'],
    ])
      await stack.ask({ clientId, path })
    const counted = async (limits: Json): Promise<Json> => {
      const { body } = await stack.post('/tokens', { name: 'some', role: 'reader', ...limits })
      const { clients, downloads } = await stack.get('/overview', bearer(String(body['secret'])))
      return { ...clients, queued: downloads['queued'] }
    }
    expect(await counted({ clients: ['shop_*'], paths: ['report*'] })).toEqual({ known: 601, online: 1, queued: 1 })
    expect(await counted({ clients: ['shop_*'] })).toEqual({ known: 601, online: 1, queued: 3 })
    expect(await counted({ paths: ['report*'] })).toEqual({ known: 1201, online: 1, queued: 2 })
    expect(await counted({})).toEqual({ known: 1201, online: 1, queued: 4 })
    await stack.stop()
  })
})
