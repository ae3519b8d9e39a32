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
  const start = async (name: string, received?: number): Promise<number> => {
    const state = await reopened(name)
    const count = await state.started('job')
    if (received !== undefined) await state.begun('job', received)
    return count
  }

  test('starts that end before begin, or find the same as before, add up', async () => {
    expect([await start('same'), await start('same', 0), await start('same', 0), await start('same')]).toEqual([
      1, 2, 3, 4,
    ])
  })

  test('other bytes at the server than before begin the count again; another job has a count of its own', async () => {
    expect([await start('on', 0), await start('on', 0), await start('on', 500)]).toEqual([1, 2, 3])
    expect([await start('on', 500), await start('on', 0), await start('on')]).toEqual([2, 3, 2])
    expect(await (await reopened('on')).started('other')).toBe(1)
  })

  test('an end forgets all of it; a stop in good order forgets the count', async () => {
    await start('ended', 7)
    await (await reopened('ended')).ended('job')
    expect([await start('ended', 0), await start('ended', 0)]).toEqual([1, 2])
    await (await reopened('ended')).parked('job')
    expect(await start('ended', 0)).toBe(1)
  })

  test('a job is under way until it ends, or is not listed any more', async () => {
    const state = await reopened('under way')
    expect(state.underWay()).toBe(false)
    await state.started('job')
    await state.parked('job')
    expect((await reopened('under way')).underWay()).toBe(true)
    await state.keepOnly(new Set(['job']))
    expect(state.underWay()).toBe(true)
    await state.keepOnly(new Set(['another']))
    expect((await reopened('under way')).underWay()).toBe(false)
  })
})
