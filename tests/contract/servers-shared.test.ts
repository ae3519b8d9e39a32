import { randomBytes, randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { Batch } from '../../shared/batches.ts'
import { startLostCommits, type LostCommits } from '../helpers/lost-commits.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { sha256Of } from '../helpers/folder.ts'
import { sharedDomains, type SharedDomain, type SharedDomains } from '../helpers/shared-domain.ts'
import { sessionRequest } from './drafts.ts'

const lacks = postgresLacking() ?? s3Lacking()
const describeShared = lacks === undefined ? describe : describe.skip
const why = lacks === undefined ? '' : ` (${lacks})`
const never = new AbortController().signal

describeShared(`servers that share stores, at bad moments${why}`, () => {
  let shared: SharedDomains
  let line: LostCommits | undefined
  beforeEach(async () => {
    shared = await sharedDomains()
  })
  afterEach(async () => {
    await shared.close()
    await line?.close()
    line = undefined
  })

  const asked = async ({ domain, stores }: SharedDomain): Promise<string> => {
    const clientId = `client-${randomUUID()}`
    await stores.jobs.recordContacts([{ clientId, at: Date.now() }])
    const [download] = await domain.downloads.create({ clientId })
    return download!.id
  }

  /** A download of a client in a session. */
  const inSession = async (server: SharedDomain): Promise<{ id: string; session: string }> => {
    const id = await asked(server)
    const { clientId } = await server.domain.downloads.find(id)
    const { session } = await server.stores.jobs.beginSession(sessionRequest(clientId, id), Date.now(), () => undefined)
    return { id, session: session ?? '' }
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
  test('an attempt whose commit was not heard of stands, with all that another server takes for it', async () => {
    line = await startLostCommits(shared.url)
    const cut = await shared.open(line.url)
    const other = await shared.open()
    const { id, session } = await inSession(other)
    const content = randomBytes(200_000)
    const begin = { source: 'v1', size: content.byteLength }
    line.loseNext()
    await expect(cut.domain.attempts.begin(id, session, begin)).rejects.toMatchObject({ code: 'store-busy' })
    expect(line.lost()).toBe(1)
    expect(await other.domain.attempts.begin(id, session, begin)).toMatchObject({ download: { attempt: 1 } })
    const opened = await other.domain.contents.open(id, { beginMs: 1000, signal: never })
    expect(opened.kind).toBe('arriving')
    await opened.close()
  })
})
