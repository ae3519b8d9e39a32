import { expect, test } from '@jest/globals'
import { createHashers } from '../../agent/hasher.ts'
import { sha256Of } from '../helpers/folder.ts'

const shared = (length: number, value: number): Buffer => Buffer.from(new SharedArrayBuffer(length)).fill(value)

/** Meanwhile the thread answers, and is not heard: nothing but a message tells what it has done. */
const stayDeaf = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

test('the answers of a thread that has ended are not taken for those of the next', async () => {
  const hashers = createHashers()
  const ended = hashers.open()
  await ended.update(shared(1, 1))
  const lost = Promise.allSettled([ended.update(shared(1, 1)), ended.update(shared(1, 1)), ended.digest()])
  stayDeaf(200)
  const closed = hashers.close()
  const bytes = shared(1_000_000, 7)
  const next = hashers.open()
  const [, digest] = await Promise.all([next.update(bytes), next.digest()])
  expect(digest).toBe(sha256Of(bytes))
  expect((await lost).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  await closed
  await hashers.close()
})
