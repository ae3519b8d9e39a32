import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import { temporaryFolder } from '../helpers/folder.ts'
import { life } from '../helpers/life.ts'
import { live } from '../helpers/site-model.ts'

/** BACKHAUL_RUNS=2500 lives that many lives; a failure prints the seed that repeats it. */
const numRuns = Number(process.env['BACKHAUL_RUNS'] ?? 30)

let folder: string
let remove: () => Promise<void>

beforeAll(async () => ({ folder, remove } = await temporaryFolder()))
afterAll(() => remove())

// The real domain over the real stores. What is checked after every step is said in tests/helpers/site-model.ts.
test(
  'whatever happens in whatever order, acknowledged bytes stay, and the file that ends up there is the source',
  async () => {
    const ends = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(life, async (one) => {
        const status = await live(join(folder, randomUUID()), `client-${randomUUID()}`, one)
        expect(['completed', 'cancelled']).toContain(status)
        ends.set(status, (ends.get(status) ?? 0) + 1)
      }),
      { numRuns },
    )
    // Most lives get to an end with a file: the rest proves little.
    expect(ends.get('completed')).toBeGreaterThan(numRuns / 3)
  },
  60_000 + numRuns * 1000,
)
