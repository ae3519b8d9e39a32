import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { pino } from 'pino'
import { openState, type State } from '../../agent/state.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const log = pino({ level: 'silent' })
let folder: string
let remove: () => Promise<void>

beforeAll(async () => ({ folder, remove } = await temporaryFolder()))
afterAll(() => remove())

describe('starts of a job, counted on disk', () => {
  /** As after a kill: only what is on disk is known. */
  const reopened = (name: string): Promise<State> =>
    openState({ dir: join(folder, name), server: 'http://server', log })
  const start = async (name: string, mark?: string): Promise<number> => {
    const state = await reopened(name)
    const count = await state.started('job')
    if (mark !== undefined) await state.reached('job', mark)
    return count
  }

  test('starts that end before begin, or find the same as before, add up', async () => {
    expect([
      await start('same'),
      await start('same', '1: 0'),
      await start('same', '1: 0'),
      await start('same'),
    ]).toEqual([1, 2, 3, 4])
  })

  test('another mark than before begins the count again; another job has a count of its own', async () => {
    expect([await start('on', '1: 0'), await start('on', '1: 0'), await start('on', '1: 500')]).toEqual([1, 2, 3])
    expect([await start('on', '1: 500'), await start('on', '2: 0'), await start('on')]).toEqual([2, 3, 2])
    expect(await (await reopened('on')).started('other')).toBe(1)
  })

  test('an end forgets count and mark', async () => {
    await start('ended', '1: 0')
    await (await reopened('ended')).ended('job')
    expect([await start('ended', '1: 7'), await start('ended', '1: 7')]).toEqual([1, 2])
  })
})
