import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { version } from '../../shared/version.ts'
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
