import { randomBytes, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Batch } from '../../shared/batches.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { sharedDomains, type SharedDomain, type SharedDomains } from '../helpers/shared-domain.ts'

const lacks = postgresLacking() ?? s3Lacking()
const describeShared = lacks === undefined ? describe : describe.skip
const why = lacks === undefined ? '' : ` (${lacks})`
const never = new AbortController().signal

describeShared(`servers that share stores, at bad moments${why}`, () => {
  let shared: SharedDomains
  beforeEach(async () => {
    shared = await sharedDomains()
  })
  afterEach(() => shared.close())

  const asked = async ({ domain, stores }: SharedDomain): Promise<string> => {
    const clientId = `client-${randomUUID()}`
    await stores.jobs.recordContacts([{ clientId, at: Date.now() }])
    const [download] = await domain.downloads.create({ clientId })
    return download!.id
  }

  test('a whole file that takes long comes through, at the server that looks for those that were cut off, and at another', async () => {
    const sweeping = await shared.open()
    const other = await shared.open()
    await sweeping.domain.sweeper.goOn()
    for (const server of [sweeping, other]) {
      const id = await asked(server)
      const content = randomBytes(100_000)
      const body = async function* (): AsyncGenerator<Batch> {
        yield [content.subarray(0, 50_000)]
        for (let looks = 0; looks < 4; looks += 1) await sweeping.domain.sweeper.goOn()
        yield [content.subarray(50_000)]
      }
      const request = { id, size: content.byteLength, sha256: undefined, body, signal: never }
      expect(await server.domain.whole.put(request)).toMatchObject({ status: 'completed', attempt: 1 })
    }
  })
})
