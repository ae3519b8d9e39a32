import { describe, test } from '@jest/globals'
import { lacking, type Needs } from './lacking.ts'

/** A test that is left out where something that it needs is not there; the closing lines then say so, and why. */
export function testWith(needs: Needs, name: string, run: () => Promise<void>, timeoutMs?: number): void {
  const lacks = lacking(needs)
  if (lacks.length === 0) test(name, run, timeoutMs)
  else test.skip.call(undefined, `${name} (${lacks.join('; ')})`, run)
}

/** The same for a group of tests. Its body must not need what is lacking before its tests run. */
export function describeWith(needs: Needs, name: string, body: () => void): void {
  const lacks = lacking(needs)
  if (lacks.length === 0) describe(name, body)
  else describe.skip.call(undefined, `${name} (${lacks.join('; ')})`, body)
}
