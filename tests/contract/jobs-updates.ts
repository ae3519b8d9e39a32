import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { JobStore } from '../../server/ports.ts'
import type { UpdateRecord } from '../../server/update-ports.ts'
import { sessionRequest } from './drafts.ts'

const order = (more: Partial<UpdateRecord> = {}): UpdateRecord => ({
  id: 'o1',
  version: '2.0.0',
  state: 'ordered',
  detail: null,
  orderedAt: 5,
  changedAt: 5,
  ...more,
})

/** What every job store must do with orders to update agents. */
export function jobStoreUpdatesContract(
  kind: string,
  place: () => Promise<{ open: () => Promise<JobStore>; remove: () => Promise<void> }>,
): void {
  describe(`updates in the job store: ${kind}`, () => {
    let jobs: JobStore
    let at: Awaited<ReturnType<typeof place>>

    beforeEach(async () => {
      at = await place()
      jobs = await at.open()
      await begin('r1', '1.0.0')
    })
    afterEach(async () => {
      await jobs.close()
      await at.remove()
    })

    const begin = (clientId: string, version: string, now = 1) => {
      const request = sessionRequest(clientId, `${clientId} ${version} ${now}`)
      return jobs.beginSession({ ...request, agent: { ...request.agent, version } }, now, () => undefined)
    }
    const revision = async (): Promise<number> => (await jobs.findClient('r1'))?.rev ?? 0

    test('an order outlasts the store, and is in every view of its client', async () => {
      const written = order({ state: 'failed', detail: 'a "b" ü' })
      expect(await jobs.changeUpdate('r1', () => written)).toMatchObject({ id: 'r1', update: written })
      await jobs.close()
      jobs = await at.open()
      expect((await jobs.findClient('r1'))?.update).toEqual(written)
      expect((await jobs.listClients({})).map(({ update }) => update)).toEqual([written])
      expect((await jobs.openJobs('r1', 1)).client?.update).toEqual(written)
    })

    test('the revision rises with what the agent must hear of, and not with what it has said', async () => {
      const before = await revision()
      await jobs.changeUpdate('r1', () => order())
      expect(await revision()).toBe(before + 1)
      await jobs.changeUpdate('r1', ({ update }) => ({ ...update!, state: 'fetching' }))
      await jobs.changeUpdate('r1', ({ update }) => ({ ...update!, state: 'fetched' }))
      expect(await revision()).toBe(before + 1)
      await jobs.changeUpdate('r1', ({ update }) => ({ ...update!, state: 'failed' }))
      expect(await revision()).toBe(before + 2)
      await jobs.changeUpdate('r1', () => null)
      expect(await revision()).toBe(before + 3)
      expect((await jobs.findClient('r1'))?.update).toBeNull()
    })

    test('nothing changes where nothing is to, it is refused, or nobody is there', async () => {
      await jobs.changeUpdate('r1', () => order())
      const before = await jobs.findClient('r1')
      expect(await jobs.changeUpdate('r1', () => undefined)).toEqual(before)
      const refuse = (): never => {
        throw new Error('refused')
      }
      await expect(jobs.changeUpdate('r1', refuse)).rejects.toThrow('refused')
      expect(await jobs.findClient('r1')).toEqual(before)
      expect(await jobs.changeUpdate('nobody', refuse)).toBeUndefined()
    })

    test('a session of the version that was ordered says that it is there; any other says nothing', async () => {
      await jobs.changeUpdate('r1', () => order({ state: 'failed', detail: 'rolled back' }))
      expect((await begin('r1', '1.0.0', 7)).update).toMatchObject({ state: 'failed', changedAt: 5 })
      const there = order({ state: 'installed', changedAt: 8 })
      expect((await begin('r1', '2.0.0', 8)).update).toEqual(there)
      expect((await begin('r1', '2.0.0', 9)).update).toEqual(there)
      expect((await begin('r1', '1.0.0', 10)).update).toEqual(there)
    })

    test('agents are counted by version and platform', async () => {
      await begin('r2', '1.0.0')
      await begin('r3', '2.0.0')
      await jobs.recordContacts([{ clientId: 'curl', at: 1 }])
      const platform = 'test'
      expect((await jobs.countAgents()).toSorted((a, b) => b.count - a.count)).toEqual([
        { version: '1.0.0', platform, count: 2 },
        { version: '2.0.0', platform, count: 1 },
      ])
    })
  })
}
