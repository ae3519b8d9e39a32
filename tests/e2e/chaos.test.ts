import { describe, expect, test } from '@jest/globals'
import { makePlan } from '../chaos/plan/index.ts'
import { start } from '../helpers/process.ts'

// A short seeded run of everything that can go wrong at once; `npm run chaos` is the long one.
describe('chaos', () => {
  test('the same seed makes the same plan, another seed another', () => {
    expect(makePlan(7, 60)).toEqual(makePlan(7, 60))
    expect(makePlan(8, 60).faults).not.toEqual(makePlan(7, 60).faults)
  })

  test('nothing is lost, and every reason is true, while processes die, lines break, bits flip and clocks jump', async () => {
    const chaos = start('tests/chaos/main.ts', ['--seed', '91', '--minutes', '0.2', '--json'], {})
    try {
      const summary = await chaos.line(() => true)
      expect(summary).toMatchObject({ seed: 91, ok: true, wrong: [] })
      expect(summary['faults']).not.toHaveLength(0)
      expect(await chaos.exited).toBe(0)
    } finally {
      await chaos.kill('SIGTERM')
    }
  }, 180_000)
})
