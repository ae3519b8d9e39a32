import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { NewDelivery, WebhookStore } from '../../server/webhook-ports.ts'

export interface WebhookPlace {
  open: () => Promise<{ webhooks: WebhookStore; close: () => Promise<void> }>
  remove: () => Promise<void>
}

const MOST = 1_000_000

/** What every store of webhooks must do. */
export function webhookStoreContract(kind: string, place: () => Promise<WebhookPlace>): void {
  describe(`webhooks: ${kind}`, () => {
    let at: WebhookPlace
    let webhooks: WebhookStore
    let close: () => Promise<void>

    beforeEach(async () => {
      at = await place()
      ;({ webhooks, close } = await at.open())
    })
    afterEach(async () => {
      await close()
      await at.remove()
    })

    const one = (event: string): NewDelivery => ({ event, at: 7, body: `{"of":"${event} ✓"}` })
    const fill = async (endpoint: string, ...events: string[]): Promise<void> => {
      await webhooks.begin(endpoint, '0')
      const from = (await webhooks.position(endpoint))!
      expect(await webhooks.move(endpoint, { from, to: events.at(-1)!, deliveries: events.map(one) })).toBe(true)
    }
    const dueOf = async (endpoint: string, now = MOST): Promise<string[]> =>
      (await webhooks.due(endpoint, now, 100)).map(({ event }) => event)

    test('a new endpoint begins where it is told to, and one that is known stays', async () => {
      expect(await webhooks.position('a')).toBeUndefined()
      await webhooks.begin('a', '5')
      await webhooks.begin('a', '9')
      expect(await webhooks.position('a')).toBe('5')
      expect(await webhooks.position('b')).toBeUndefined()
    })

    test('what is to be sent comes in its order, as it was given', async () => {
      await fill('a', '1', '2', '10')
      expect(await webhooks.due('a', 0, 2)).toEqual([
        { ...one('1'), attempts: 0, lastStatus: null },
        { ...one('2'), attempts: 0, lastStatus: null },
      ])
      expect(await webhooks.position('a')).toBe('10')
      expect(await dueOf('b')).toEqual([])
    })

    test('who stands elsewhere moves nothing, and adds nothing', async () => {
      await fill('a', '1')
      expect(await webhooks.move('a', { from: '0', to: '2', deliveries: [one('2')] })).toBe(false)
      expect(await webhooks.move('b', { from: '0', to: '2', deliveries: [one('2')] })).toBe(false)
      expect([await webhooks.position('a'), await dueOf('a'), await dueOf('b')]).toEqual(['1', ['1'], []])
    })

    test('of two who move an endpoint at once, one does', async () => {
      await webhooks.begin('a', '0')
      const step = { from: '0', to: '2', deliveries: [one('1'), one('2')] }
      const moved = await Promise.all([webhooks.move('a', step), webhooks.move('a', step)])
      expect(moved.toSorted()).toEqual([false, true])
      expect(await dueOf('a')).toEqual(['1', '2'])
    })

    test('an event that waits already is not added again', async () => {
      await fill('a', '1')
      await webhooks.postpone('a', { event: '1', attempts: 1, nextAt: 10, lastStatus: 500 })
      await webhooks.move('a', { from: '1', to: '2', deliveries: [one('1'), one('2')] })
      expect(await webhooks.due('a', MOST, 9)).toMatchObject([
        { event: '2', attempts: 0 },
        { event: '1', attempts: 1, lastStatus: 500 },
      ])
    })

    test('what was not taken is due at its time, behind what has been due for longer', async () => {
      await fill('a', '1', '2', '3')
      await webhooks.postpone('a', { event: '1', attempts: 2, nextAt: 100, lastStatus: 503 })
      await webhooks.postpone('a', { event: '2', attempts: 1, nextAt: 50, lastStatus: null })
      expect(await dueOf('a', 49)).toEqual(['3'])
      expect(await dueOf('a', 50)).toEqual(['3', '2'])
      expect(await dueOf('a', 100)).toEqual(['3', '2', '1'])
    })

    test('what was taken is gone, of this endpoint alone', async () => {
      await fill('a', '1', '2')
      await fill('b', '1', '2')
      await webhooks.remove('a', '1')
      await webhooks.remove('a', 'unknown')
      expect([await dueOf('a'), await dueOf('b'), await webhooks.count()]).toEqual([['2'], ['1', '2'], 3])
    })

    test('the oldest go where there are too many', async () => {
      await fill('a', '1', '2', '3', '4')
      await fill('b', '1', '2', '3')
      expect(await webhooks.dropOldest('a', 4)).toBe(0)
      expect(await webhooks.dropOldest('a', 3)).toBe(1)
      expect(await webhooks.dropOldest('a', 1)).toBe(2)
      expect([await dueOf('a'), await dueOf('b')]).toEqual([['4'], ['1', '2', '3']])
    })

    test('an endpoint that is no more is forgotten with what waits for it', async () => {
      await fill('a', '1')
      await fill('b', '1')
      await webhooks.keepOnly(['b', 'c'])
      expect([await webhooks.position('a'), await dueOf('a')]).toEqual([undefined, []])
      expect([await webhooks.position('b'), await dueOf('b')]).toEqual(['1', ['1']])
    })

    test('everything outlives the server', async () => {
      await fill('a', '1', '2')
      await webhooks.remove('a', '1')
      await close()
      ;({ webhooks, close } = await at.open())
      expect([await webhooks.position('a'), await dueOf('a')]).toEqual(['2', ['2']])
    })
  })
}
