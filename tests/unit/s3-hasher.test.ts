import { randomBytes } from 'node:crypto'
import { expect } from '@jest/globals'
import { openS3Bytes } from '../../server/stores/s3/index.ts'
import { sha256Of } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { writePart } from '../helpers/s3-parts.ts'
import { s3Lacking, s3Place } from '../helpers/s3.ts'
import { until } from '../helpers/until.ts'

const MiB = 2 ** 20

testWith({ otherwise: s3Lacking() }, 'a digest does not wait for parts of others that are read ahead', async () => {
  const place = s3Place()
  const bytes = await openS3Bytes({ ...place, owner: 'hasher' })
  const content = randomBytes(8 * MiB)
  const part = await writePart(bytes, content, [8 * MiB])
  const whole = { start: 0, end: part.size }
  // Two whose reading takes for ever are all that are read ahead at once.
  let reading = 0
  const gate = Promise.withResolvers<void>()
  const slow = {
    ...part.rows,
    async chunksFrom() {
      reading += 1
      await gate.promise
      return []
    },
  }
  const others = [1, 2].map(() => bytes.hasher(part, slow))
  for (const other of others) await other.extend(whole)
  await until('two to be read ahead', async () => reading === 2)
  const hasher = bytes.hasher(part, part.rows)
  await hasher.extend(whole)
  expect(await hasher.digest(part.size)).toBe(sha256Of(content))
  gate.resolve()
  for (const each of [hasher, ...others]) each.close()
  await bytes.close()
  await place.remove()
})
