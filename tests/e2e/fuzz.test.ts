import { describe, expect, test } from '@jest/globals'
import { createRandom } from '../chaos/random.ts'
import { attack } from '../fuzz/requests.ts'
import { start } from '../helpers/process.ts'

// A short seeded run; `npm run fuzz` is the long one.
describe('fuzz', () => {
  const targets = { downloads: ['d'], clients: ['c'], sessions: ['1.x'], tokens: ['t'], bearers: ['b'] }

  test('the same seed makes the same requests, another seed others', () => {
    const first = (seed: number): string => attack(createRandom(seed), targets).bytes.toString('latin1')
    expect(first(7)).toBe(first(7))
    expect(first(8)).not.toBe(first(7))
  })

  test('what is malformed, hostile or out of place fails nothing, tells nothing and writes nothing', async () => {
    const fuzz = start('tests/fuzz/main.ts', ['--seed', '5', '--minutes', '0.4', '--json'], {})
    try {
      const summary = await fuzz.line(() => true)
      expect(summary).toMatchObject({ seed: 5, wrong: [] })
      expect(summary['requests']).toBeGreaterThan(100)
      expect(summary['answers']).toBeGreaterThan(20)
      expect(await fuzz.exited).toBe(0)
    } finally {
      await fuzz.kill('SIGTERM')
    }
  }, 180_000)
})
