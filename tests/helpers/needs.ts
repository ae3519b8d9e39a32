import { spawnSync } from 'node:child_process'
import { test } from '@jest/globals'

/** A test that needs a program which a user's machine may lack; without it, it is left out, and the closing lines say so. */
export function testWith(program: string, name: string, run: () => Promise<void>): void {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
  if (found) test(name, run)
  else test.skip.call(undefined, `${name} (needs ${program}, which is not installed)`, run)
}
