import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from '@jest/globals'
import { createCrew } from '../../agent/crew.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const heapUsed = (): number => {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

test('what many tasks leave behind is not kept for as long as one that runs beside them', async () => {
  const crew = createCrew({ limit: 2, signal: new AbortController().signal })
  const long = Promise.withResolvers<void>()
  crew.start(() => long.promise)
  const before = heapUsed()
  for (let each = 0; each < 100_000; each += 1) {
    await crew.room()
    crew.start(async () => undefined)
  }
  const kept = heapUsed() - before
  long.resolve()
  await crew.finish()
  expect(kept).toBeLessThan(2 * 1024 * 1024)
})
