import { randomUUID } from 'node:crypto'
import { link, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { bytesTopic } from '../../server/domain/topics.ts'
import type { Opened } from '../../server/domain/content.ts'
import { openDomain, type OpenDomain } from '../helpers/domain.ts'
import { sha256Of, temporaryFolder } from '../helpers/folder.ts'
import { until } from '../helpers/until.ts'

const SIZE = 300_000
const content = Buffer.alloc(SIZE, 5)
const sha256 = sha256Of(content)
const clientId = 'half-done'
const { signal } = new AbortController()
const body = async function* () {
  yield [content]
}

// A step that is done, while the one after it is not, or is somebody else's.
describe('half done', () => {
  let open: OpenDomain
  let folder: string
  let remove: () => Promise<void>
  let session: string

  beforeAll(async () => {
    ;({ folder, remove } = await temporaryFolder())
    open = await openDomain(folder)
    const agent = { version: 'test', platform: 'test', hostname: 'test' }
    const instance = randomUUID()
    const request = { protocol: 1, clientId, instance, takeover: true, agent, shared: [], labels: {} }
    session = (await open.domain.sessions.begin(request)).session
  })
  afterAll(async () => {
    await open.close()
    await remove()
  })

  const partPath = (id: string): string => join(folder, 'downloads', '.incoming', `${id}.1.part`)
  const queued = async (): Promise<string> => (await open.domain.downloads.create({ clientId }))[0]!.id
  const putWhole = (id: string, digest: string = sha256) =>
    open.domain.whole.put({ id, size: SIZE, sha256: digest, body, signal })

  /** A file that somebody reads since before it was whole; all but its last bytes are read. */
  const readAhead = async () => {
    const { attempts, uploads, contents, completion, downloads } = open.domain
    const id = await queued()
    await attempts.begin(id, session, { source: 'v1', size: SIZE })
    const range = { start: 0, end: SIZE, total: SIZE }
    await uploads.put({ id, session, attempt: 1, range, digest: sha256, body, signal })
    const opened = (await contents.open(id, { beginMs: 0, signal })) as Extract<Opened, { kind: 'arriving' }>
    const { value } = await opened.bytes.next()
    await completion.complete(id, session, { attempt: 1, size: SIZE, sha256 }, signal)
    const completed = await downloads.find(id)
    expect(completed.status).toBe('completed')
    const rest = async (): Promise<number> => {
      let length = (value as Uint8Array).byteLength
      try {
        for await (const piece of opened.bytes) length += piece.byteLength
        return length
      } finally {
        await opened.close()
      }
    }
    return { id, name: completed.name!, rest }
  }

  test('a part that is swept after its file was completed: who reads it reads on', async () => {
    const { id, name, rest } = await readAhead()
    await until('the part to be removed', async () => (await open.stores.bytes.listParts()).length === 0)
    await link(join(folder, 'downloads', name), partPath(id))
    await open.domain.sweeper.removeLeftovers()
    expect(await open.stores.bytes.listParts()).toEqual([])
    expect(await rest()).toBe(SIZE)
  })

  test('a finished file that is removed while it is read: the reader hears so, and does not wait', async () => {
    const { id, rest } = await readAhead()
    await open.domain.downloads.removeContent(id)
    await expect(rest()).rejects.toMatchObject({ code: 'content-broken', message: expect.stringContaining('removed') })
  })

  test('a whole file is there, and the database is locked before it can be verified: its job is queued again', async () => {
    const id = await queued()
    const other = new DatabaseSync(join(folder, 'backhaul.db'))
    const unsubscribe = open.stores.wakes.subscribe(bytesTopic(id), () => other.exec('BEGIN IMMEDIATE'))
    await expect(putWhole(id)).rejects.toMatchObject({ code: 'store-busy' })
    unsubscribe()
    other.close()
    await open.domain.sweeper.goOn()
    expect(await open.domain.downloads.find(id)).toMatchObject({ status: 'queued', reason: 'io-error' })
    expect(await putWhole(id)).toMatchObject({ status: 'completed', verified: true })
  })

  test('a new attempt stands, though the bytes of the one before cannot be removed yet', async () => {
    const id = await queued()
    await expect(putWhole(id, sha256Of(Buffer.from('else')))).rejects.toMatchObject({ code: 'digest-mismatch' })
    await mkdir(partPath(id))
    expect(await putWhole(id)).toMatchObject({ status: 'completed', attempt: 2 })
  })

  test('a part that cannot be removed keeps neither the others nor a start', async () => {
    await mkdir(partPath(randomUUID()))
    await open.close()
    open = await openDomain(folder)
    expect(open.reported).toContainEqual(expect.objectContaining({ code: 'EISDIR' }))
  })
})
