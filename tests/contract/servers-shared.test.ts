import { randomBytes, randomUUID } from 'node:crypto'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { clientTopic } from '../../server/domain/topics.ts'
import type { Batch } from '../../shared/batches.ts'
import { startLostCommits, type LostCommits } from '../helpers/lost-commits.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { sha256Of } from '../helpers/folder.ts'
import { sharedDomains, type SharedDomain, type SharedDomains } from '../helpers/shared-domain.ts'
import { until } from '../helpers/until.ts'
import { sessionRequest } from './drafts.ts'

const lacks = postgresLacking() ?? s3Lacking()
const describeShared = lacks === undefined ? describe : describe.skip
const why = lacks === undefined ? '' : ` (${lacks})`
const never = new AbortController().signal

describeShared(`servers that share stores, at bad moments${why}`, () => {
  let shared: SharedDomains
  let line: LostCommits | undefined
  let wire: Proxy | undefined
  beforeEach(async () => {
    shared = await sharedDomains()
  })
  afterEach(async () => {
    await shared.close()
    await line?.close()
    await wire?.close()
    line = undefined
    wire = undefined
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

  const put = async (
    { domain }: SharedDomain,
    { id, session, attempt }: { id: string; session: string; attempt: number },
    content: Buffer<ArrayBuffer>,
    start: number,
    end: number,
  ): Promise<void> => {
    const piece = content.subarray(start, end)
    const body = async function* (): AsyncGenerator<Batch> {
      yield [piece]
    }
    const range = { start, end, total: content.byteLength }
    await domain.uploads.put({ id, session, attempt, range, digest: sha256Of(piece), body, signal: never })
  }

  test('a poll that is woken while the database is away stays, and is told once it is back', async () => {
    wire = await startProxy(shared.url)
    const url = new URL(shared.url)
    url.port = new URL(wire.url).port
    const cut = await shared.open({ url: url.href })
    const other = await shared.open()
    const clientId = `client-${randomUUID()}`
    await other.stores.jobs.recordContacts([{ clientId, at: Date.now() }])
    let told = false
    cut.domain.polls.hold({ clientId, waitMs: 600_000 }, { ready: () => (told = true), mayStill: async () => true })
    await until('the poll to be held', async () => cut.domain.presence.openPolls() === 1)

    wire.refuse()
    cut.stores.wakes.wake([clientTopic(clientId)])
    // The second is asked once the first has failed, and so the poll's own.
    for (let times = 0; times < 2; times += 1) {
      await expect(cut.stores.jobs.openJobs(clientId, 1)).rejects.toMatchObject({ code: 'store-busy' })
    }
    expect([told, cut.domain.presence.openPolls()]).toEqual([false, 1])

    await other.domain.downloads.create({ clientId })
    wire.welcome()
    await until('the poll to be told', async () => told)
    expect(cut.domain.presence.openPolls()).toBe(0)
  })

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
    const cut = await shared.open({ url: line.url })
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
  test('a file that was removed does not come back from a server that was still putting it together', async () => {
    wire = await startProxy(shared.place.endpoint, { random: () => 0.5 })
    let published: Promise<boolean> | undefined
    const late = await shared.open({
      endpoint: wire.url,
      change: ({ bytes }) => ({
        bytes: { ...bytes, publish: (...given) => (published = bytes.publish(...given)) },
      }),
    })
    const other = await shared.open()
    const { id, session } = await inSession(late)
    const content = randomBytes(2_000_000)
    await late.domain.attempts.begin(id, session, { source: 'v1', size: content.byteLength })
    for (const start of [0, 1_000_000]) await put(late, { id, session, attempt: 1 }, content, start, start + 1_000_000)
    wire.allow(1_000_000)
    const end = { attempt: 1, size: content.byteLength, sha256: sha256Of(content) }
    const completing = late.domain.completion.complete(id, session, end, never)
    await wire.held()
    // As when it is taken for dead.
    await late.stores.leases.release(`verify:${id}.1`)
    await other.domain.sweeper.goOn()
    expect(await completing).toMatchObject({ status: 'completed' })
    await other.domain.downloads.removeContent(id)
    wire.allow(Infinity)
    await published
    await until('its file to be gone', async () =>
      (await shared.place.keys()).every((key) => !key.startsWith('files/')),
    )
  })

  test('a part that was made for nothing goes once its download has ended', async () => {
    const server = await shared.open()
    const id = await asked(server)
    await server.stores.bytes.createPart({ id, attempt: 1 }, 5)
    await server.domain.sweeper.removeLeftovers()
    expect(await server.stores.bytes.partSize({ id, attempt: 1 })).toBe(5)
    await server.domain.downloads.cancel(id)
    await server.stores.bytes.createPart({ id, attempt: 2 }, 5)
    await server.domain.sweeper.removeLeftovers()
    expect(await server.stores.bytes.listParts()).toEqual([])
  })
  test('of two servers that look for a free name at once, the file of the one that completes is the one that is found', async () => {
    const gates = ['first tried', 'first made', 'second tried', 'second makes'].map(() => Promise.withResolvers<void>())
    const [firstTried, firstMade, secondTried, secondMakes] = gates
    const calls: string[] = []
    const first = await shared.open({
      change: ({ bytes }) => ({
        bytes: {
          ...bytes,
          async publish(...given) {
            const made = await bytes.publish(...given)
            calls.push(`first ${made}`)
            await (made ? firstMade : firstTried)?.promise
            return made
          },
        },
      }),
    })
    let ended: Promise<boolean> | undefined
    const second = await shared.open({
      change: ({ bytes }) => ({
        bytes: {
          ...bytes,
          async publish(...given) {
            if (calls.includes('second false')) {
              calls.push('second makes')
              await secondMakes?.promise
              ended = bytes.publish(...given)
              return ended
            }
            const made = await bytes.publish(...given)
            calls.push(`second ${made}`)
            await secondTried?.promise
            return made
          },
        },
      }),
    })
    const called = (what: string): Promise<unknown> => until(what, async () => calls.includes(what))
    const { id, session } = await inSession(first)
    const { clientId } = await first.domain.downloads.find(id)
    const { client, bucket, prefix } = shared.place
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}files/${clientId}_file`, Body: 'else' }))
    const content = randomBytes(100_000)
    await first.domain.attempts.begin(id, session, { source: 'v1', size: content.byteLength })
    await put(first, { id, session, attempt: 1 }, content, 0, content.byteLength)
    const end = { attempt: 1, size: content.byteLength, sha256: sha256Of(content) }
    const completing = first.domain.completion.complete(id, session, end, never)
    await called('first false')
    await first.stores.leases.release(`verify:${id}.1`)
    await second.domain.sweeper.goOn()
    await called('second false')
    firstTried?.resolve()
    await called('first true')
    secondTried?.resolve()
    await called('second makes')
    firstMade?.resolve()
    expect(await completing).toMatchObject({ status: 'completed' })
    await until('its part to be gone', async () => (await first.stores.bytes.listParts()).length === 0)
    secondMakes?.resolve()
    await until('the second to be done', async () => ended !== undefined)
    await ended?.catch(() => undefined)
    const opened = await second.domain.contents.open(id, { beginMs: 1000, signal: never })
    expect(opened).toMatchObject({ kind: 'stored', content: { size: content.byteLength } })
    await opened.close()
    await until(
      'its only file',
      async () => (await shared.place.keys()).filter((key) => key.startsWith('files/')).length === 2,
    )
  })
})
