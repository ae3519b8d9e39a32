import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openDiskBytes } from '../../server/stores/disk/index.ts'
import { migrations } from '../../server/stores/sqlite/schema.ts'
import { always, chunk, draft, sessionRequest } from '../contract/drafts.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import {
  contentOf,
  databaseOf,
  downloadsBeside,
  fillOld,
  oldDownloads,
  oldIds,
  opened,
} from '../helpers/old-database.ts'

/** The last version that knew nothing of tokens. */
const BEFORE = 3
let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterAll(() => remove())

const nothing = async (): Promise<void> => undefined

test('a database of an older program keeps every row, and is changed once', async () => {
  const path = await databaseOf(folder, BEFORE, fillOld)
  const before = contentOf(path)
  await opened(path, nothing)
  const after = contentOf(path)
  expect(after['version']).toEqual([{ user_version: migrations.length }])
  for (const table of ['labels', 'names', 'chunks', 'idempotency']) {
    expect(before[table]?.length).toBeGreaterThan(0)
    expect([table, after[table]]).toEqual([table, before[table]])
  }
  expect(after['clients']).toEqual(before['clients']?.map((row) => ({ ...(row as object), update_order: null })))
  expect(before['downloads']).toHaveLength(Object.keys(oldDownloads).length)
  expect(after['downloads']).toEqual(before['downloads']?.map((row) => ({ ...(row as object), asked_by: null })))
  await opened(path, nothing)
  expect(contentOf(path)).toEqual(after)
})

test('what was under way goes on: what is there is known, and the rest can come', async () => {
  const path = await databaseOf(folder, BEFORE, fillOld)
  const part = { id: oldIds['transferring']!, attempt: 2 }
  const first = randomBytes(1000)
  const old = await openDiskBytes({ folder: downloadsBeside(path) })
  await old.createPart(part, 3000)
  const writer = await old.openWriter(part, { start: 0, end: 1000 })
  await writer.write([first])
  await writer.commit()
  await writer.close()
  await old.close()
  await opened(path, async ({ jobs, bytes }) => {
    for (const [name, values] of Object.entries(oldDownloads)) {
      const found = await jobs.findDownload(oldIds[name]!)
      expect(found).toMatchObject({ clientId: 'shop_1', status: values['status'], askedBy: null })
    }
    expect(await jobs.findDownload(oldIds['queued']!)).toMatchObject({
      path: '/srv/a "b"\nc',
      note: 'night',
      priority: 5,
    })
    expect(await jobs.findClient('shop_1')).toMatchObject({ session: '3.x', rev: 41, labels: { region: 'north' } })
    expect(await jobs.listDownloads({ labels: { region: 'north' }, limit: 100 })).toHaveLength(8)
    expect((await jobs.openJobs('shop_1', 10)).jobs.map(({ id }) => id)).toEqual([
      oldIds['queued'],
      oldIds['transferring'],
    ])
    const again = { key: 'same', request: 'print' }
    expect(await jobs.createDownloads([draft('shop_1')], again)).toMatchObject({
      replayed: true,
      downloads: [{ id: oldIds['queued'] }],
    })
    expect(await jobs.received(part.id, 2)).toEqual([
      { start: 0, end: 1000 },
      { start: 2000, end: 2500 },
    ])
    await jobs.insertChunk(part.id, 2, chunk(1000, 2000), always)
    const last = await jobs.insertChunk(part.id, 2, chunk(2500, 3000), always)
    expect(last).toMatchObject({ bytesReceived: 3000, bytesResent: 7, mismatches: 1, attempt: 2 })
    expect(await jobs.received(part.id, 2)).toEqual([{ start: 0, end: 3000 }])
    const reader = await bytes.openReader(part)
    const read: Uint8Array[] = []
    for await (const piece of reader!.read(chunk(0, 1000), { start: 0, end: 1000 })) read.push(piece)
    expect(Buffer.concat(read).equals(first)).toBe(true)
    await reader!.close()
    // The same names are taken, and the same instances are past.
    const name = 'removed_a.txt'
    const taking = jobs.transition({ id: oldIds['queued']!, from: ['queued'], set: { name } })
    await expect(taking).rejects.toMatchObject({ code: 'name-taken' })
    const past = jobs.beginSession(sessionRequest('shop_1', 'first'), 2000, () => undefined)
    await expect(past).rejects.toMatchObject({ code: 'session-superseded' })
  })
})

test('who may do what can be kept there from now on', async () => {
  const path = await databaseOf(folder, BEFORE, fillOld)
  const made = { createdAt: 2000, revokedAt: null }
  const token = {
    id: randomUUID(),
    name: 'head office',
    role: 'operator' as const,
    content: true,
    clients: ['shop_*'],
    paths: null,
    expiresAt: null,
    ...made,
  }
  const enrolment = {
    id: randomUUID(),
    clients: 'shop_1',
    labels: { tier: 'gold' },
    usesLeft: 1,
    expiresAt: 9000,
    ...made,
  }
  const credential = {
    id: randomUUID(),
    clientId: 'shop_1',
    publicKey: 'k'.repeat(43),
    enrolmentId: enrolment.id,
    provenAt: null,
    ...made,
  }
  const entry = {
    at: 2000,
    actor: 'token head office',
    address: '::1',
    action: 'POST /downloads',
    clientId: 'shop_1',
    path: null,
    downloadId: null,
    status: 202,
    code: null,
  }
  const secret = await opened(path, async ({ jobs, access }) => {
    await access.addToken(token, 'hash of a token')
    await access.addEnrolment(enrolment, 'hash of an enrolment')
    expect(await access.enrol({ enrolmentId: enrolment.id, mayReplace: true }, credential, null)).toEqual(credential)
    await access.addSessionToken(
      { clientId: 'shop_1', session: '4.y', credentialId: credential.id, expiresAt: 9000 },
      'hash',
    )
    await access.appendAudit([entry])
    const asked = await jobs.createDownloads([draft('shop_1', { askedBy: 'head office' })])
    expect(asked.downloads).toMatchObject([{ askedBy: 'head office' }])
    return access.secret('nonces')
  })
  await opened(path, async ({ access }) => {
    expect(await access.findToken('hash of a token')).toEqual(token)
    expect(await access.listEnrolments()).toEqual([{ ...enrolment, usesLeft: 0 }])
    expect(await access.listCredentials('shop_1')).toEqual([credential])
    expect(await access.labelsOf(credential.id)).toEqual({ tier: 'gold' })
    expect(await access.findSessionToken('hash')).toMatchObject({ session: '4.y' })
    expect(await access.listAudit({ limit: 9 })).toEqual([{ seq: 1, ...entry }])
    expect((await access.secret('nonces')).equals(secret)).toBe(true)
  })
})
