import { test } from '@jest/globals'
import { lacking, type Needs } from './lacking.ts'

/** A test that is left out where something that it needs is not there; the closing lines then say so, and why. */
export function testWith(needs: Needs, name: string, run: () => Promise<void>, timeoutMs?: number): void {
  const lacks = lacking(needs)
  if (lacks.length === 0) test(name, run, timeoutMs)
  else test.skip.call(undefined, `${name} (${lacks.join('; ')})`, run)
}
