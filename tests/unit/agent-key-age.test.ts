import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openKeys } from '../../agent/credential.ts'
import { keyIsDue } from '../../agent/key-age.ts'
import { createLog } from '../../shared/log.ts'
import { createProgress } from '../../shared/progress.ts'
import { temporaryFolder } from '../helpers/folder.ts'

const DAY = 86_400_000
let folder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

test('a key is due when it is old and nothing is under way, and not before', async () => {
  const keys = openKeys({ dir: folder.folder, clientId: 'a' })
  await keys.current()
  const log = await createLog({
    level: 'silent',
    progress: createProgress({ stream: { isTTY: false } as NodeJS.WriteStream }),
  })
  let looks = 0
  const busy = (): boolean => {
    looks += 1
    return looks <= 3
  }
  const before = new Date(Date.now() - 2 * DAY)
  await utimes(join(folder.folder, 'key.pem'), before, before)
  const { signal } = new AbortController()
  await keyIsDue({ keys, keyAge: DAY, busy, log, signal, lookMs: 1 })
  expect(looks).toBe(4)
  const stop = new AbortController()
  const young = keyIsDue({ keys, keyAge: 3 * DAY, busy, log, signal: stop.signal, lookMs: 1 })
  const early = await Promise.race([young.then(() => 'due'), waitFor(() => looks > 10)])
  expect(early).toBe('looked')
  stop.abort(new Error('the session is over'))
  await expect(young).rejects.toThrow('the session is over')
})

async function waitFor(condition: () => boolean): Promise<string> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  return 'looked'
}
