import { randomBytes, randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { cp, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { backUp, type BackedUp } from '../../server/backup/back-up.ts'
import { restore } from '../../server/backup/restore.ts'
import { migrations } from '../../server/stores/sqlite/schema.ts'
import { runningDigest } from '../../shared/digest.ts'
import { sha256Of, temporaryFolder } from '../helpers/folder.ts'
import { databaseOf, downloadsBeside } from '../helpers/old-database.ts'

const SIZE = 3 * 1024 * 1024
/** Of each attempt these are there: [start, end). */
const RECEIVED = [
  [0, 1_000_000],
  [2_000_000, 2_500_000],
] as const
const BYTES = 1_500_000

type Row = Record<string, SQLInputValue>

// What happens at a server between the moment of the copied database and that in which a file's turn has come.
describe('a backup while the server', () => {
  let folder: string
  let remove: () => Promise<void>
  let database: string
  let storage: string

  beforeEach(async () => {
    ;({ folder, remove } = await temporaryFolder())
    database = await databaseOf(folder, migrations.length, (db) => {
      db.exec(
        `INSERT INTO clients (id, last_seen, session_n, session, instance) VALUES ('shop', 900, 3, '3.x', 'third')`,
      )
    })
    storage = downloadsBeside(database)
    mkdirSync(join(storage, '.incoming'), { recursive: true })
  })
  afterEach(() => remove())

  const change = (sql: string, row: Row = {}): void => {
    const db = new DatabaseSync(database, { timeout: 5000 })
    db.prepare(sql).run(row)
    db.close()
  }

  const addDownload = (row: Row): string => {
    const id = randomUUID()
    const all: Row = {
      id,
      client_id: 'shop',
      kind: 'file',
      priority: 0,
      policy: 'fail',
      naming: 'plain',
      size: SIZE,
      attempt: 1,
    }
    Object.assign(all, { source: 'v1', created_at: 1000, expires_in: 4000, expires_at: 5000 }, row)
    const names = Object.keys(all)
    change(`INSERT INTO downloads (${names.join()}) VALUES (${names.map((name) => `:${name}`).join()})`, all)
    return id
  }

  const partPath = (id: string, attempt = 1): string => join(storage, '.incoming', `${id}.${attempt}.part`)

  /** An attempt with its part; what has no row is another content. */
  const addPart = (row: Row = {}): { id: string; content: Buffer } => {
    const content = randomBytes(SIZE)
    const id = addDownload({ status: 'transferring', bytes_received: BYTES, ...row })
    for (const [start, end] of RECEIVED) addChunk(id, content, start, end)
    writeFileSync(partPath(id), content)
    return { id, content }
  }

  const addChunk = (id: string, content: Buffer, start: number, end: number): void => {
    const hash = runningDigest('crc32')
    hash.update(content.subarray(start, end))
    change(`INSERT INTO chunks VALUES (:id, 1, :start, :end, :digest, '')`, { id, start, end, digest: hash.hex() })
  }

  const addFinished = (name: string, content = randomBytes(SIZE)): { id: string; content: Buffer } => {
    const id = addDownload({ status: 'completed', completed_at: 1200, name, sha256: sha256Of(content), verified: 1 })
    writeFileSync(join(storage, name), content)
    return { id, content }
  }

  const to = (): string => join(folder, 'backup')
  const options = { link: false, verify: false, version: 'test', now: () => 7000, moved: () => undefined }

  /** @param meanwhile runs once the database is copied, before any file is */
  const backedUp = (meanwhile: () => void): Promise<BackedUp> =>
    backUp({ ...options, database, storage, to: to(), expect: meanwhile })

  interface Restored {
    row: Row
    chunks: [number, number][]
    /** The bytes of its part. */
    part: Buffer | undefined
    storage: string
  }

  const restored = async (id: string): Promise<Restored> => {
    const place = join(folder, randomUUID())
    const [newDatabase, newStorage] = [join(place, 'backhaul.db'), join(place, 'downloads')]
    const { lost } = await restore({
      from: to(),
      database: newDatabase,
      storage: newStorage,
      acceptDamage: false,
      now: () => 8000,
      expect: () => undefined,
      moved: () => undefined,
    })
    expect(lost).toEqual([])
    const db = new DatabaseSync(newDatabase, { readOnly: true })
    const row = db.prepare('SELECT * FROM downloads WHERE id = :id').get({ id }) as Row
    const chunks = db.prepare('SELECT start, end FROM chunks WHERE download_id = :id ORDER BY start').all({ id })
    expect(db.prepare('SELECT session, instance FROM clients').all()).toEqual([{ session: null, instance: null }])
    db.close()
    const part = await readFile(join(newStorage, '.incoming', `${id}.1.part`)).catch(() => undefined)
    return { row, chunks: chunks.map(({ start, end }) => [Number(start), Number(end)]), part, storage: newStorage }
  }

  const checkBytes = (
    { part, chunks }: Restored,
    content: Buffer,
    expected: readonly (readonly [number, number])[],
  ): void => {
    expect(chunks).toEqual(expected)
    expect(part?.byteLength).toBe(SIZE)
    for (const [start, end] of chunks)
      expect(part?.subarray(start, end).equals(content.subarray(start, end))).toBe(true)
  }

  test('receives more: it counts as not received', async () => {
    const { id, content } = addPart()
    await backedUp(() => {
      addChunk(id, content, 1_000_000, 2_000_000)
      change('UPDATE downloads SET bytes_received = 2500000 WHERE id = :id', { id })
    })
    const found = await restored(id)
    expect(found.row).toMatchObject({ status: 'transferring', attempt: 1, bytes_received: BYTES, source: 'v1' })
    checkBytes(found, content, RECEIVED)
    // What no row promises is not copied.
    expect(found.part?.subarray(1_000_000, 2_000_000).every((byte) => byte === 0)).toBe(true)
  })

  test.each([['transferring'], ['verifying']])(
    'completes what was %s: its bytes are found under its name',
    async (status) => {
      const { id, content } = addPart({ status })
      await backedUp(() => {
        linkSync(partPath(id), join(storage, 'shop_a'))
        change(`UPDATE downloads SET status = 'completed', name = 'shop_a' WHERE id = :id`, { id })
        rmSync(partPath(id))
      })
      const found = await restored(id)
      expect(found.row).toMatchObject({ status, bytes_received: BYTES })
      checkBytes(found, content, RECEIVED)
      expect(await readdir(found.storage)).toEqual(['.incoming'])
    },
  )

  test.each([['transferring'], ['verifying'], ['failed']])(
    'gives up an attempt that was %s: none of it counts',
    async (status) => {
      const { id } = addPart({ status })
      await backedUp(() => {
        change('DELETE FROM chunks WHERE download_id = :id', { id })
        change(`UPDATE downloads SET attempt = 2, bytes_received = 0, source = 'v2' WHERE id = :id`, { id })
        renameSync(partPath(id), partPath(id, 2))
      })
      const { row, chunks, part } = await restored(id)
      expect(row).toMatchObject({
        status: status === 'failed' ? 'failed' : 'queued',
        bytes_received: 0,
        source: null,
        sha256: null,
      })
      expect([chunks, part]).toEqual([[], undefined])
    },
  )

  test('removes a finished file: the restored server knows it as removed', async () => {
    const { id } = addFinished('shop_a')
    const kept = addFinished('shop_b')
    const { files } = await backedUp(() => {
      change('UPDATE downloads SET removed_at = 6000 WHERE id = :id', { id })
      rmSync(join(storage, 'shop_a'))
    })
    expect(files).toMatchObject({ copied: 1, lost: [] })
    const found = await restored(id)
    expect(found.row).toMatchObject({ status: 'completed', removed_at: 7000, name: null })
    expect((await readFile(join(found.storage, 'shop_b'))).equals(kept.content)).toBe(true)
    expect((await readdir(found.storage)).toSorted()).toEqual(['.incoming', 'shop_b'])
  })

  test('has a damaged chunk: that one is sent again, the others are not', async () => {
    const { id, content } = addPart({ status: 'verifying', sha256: 'ab'.repeat(32) })
    const bad = Buffer.from(content)
    bad[2_100_000] = (bad[2_100_000] ?? 0) ^ 1
    writeFileSync(partPath(id), bad)
    await backedUp(() => undefined)
    const found = await restored(id)
    expect(found.row).toMatchObject({ status: 'transferring', bytes_received: 1_000_000, sha256: null })
    checkBytes(found, content, [RECEIVED[0]])
  })

  test('holds a part that came in one request: it is of use as a whole, or not at all', async () => {
    const cut = addPart({ whole: 1 })
    const { manifest } = await backedUp(() => undefined)
    expect(manifest.parts).toEqual({ count: 0, bytes: 0 })
    // As the server's own start finds it: with rows, and without a part.
    expect(await restored(cut.id)).toMatchObject({ row: { status: 'transferring', whole: 1 }, part: undefined })
  })

  test.each([[false], [true]])('holds a.new and a: neither takes the place of the other, linked: %s', async (link) => {
    const all = ['shop_a.new', 'shop_a'].map((name) => ({ name, ...addFinished(name) }))
    await backUp({ ...options, link, database, storage, to: to(), expect: () => undefined })
    expect((await readdir(join(to(), 'files'))).toSorted()).toEqual(['shop_a', 'shop_a.new'])
    const { storage: there } = await restored(all[0]?.id ?? '')
    for (const { name, content } of all) expect((await readFile(join(there, name))).equals(content)).toBe(true)
  })

  test('holds files with holes: the copies have them, too', async () => {
    const content = Buffer.alloc(8 * SIZE)
    content.write('begin', 0)
    content.write('end', content.byteLength - 3)
    const { id } = addFinished('shop_a', content)
    change('UPDATE downloads SET size = :size WHERE id = :id', { id, size: content.byteLength })
    await backedUp(() => undefined)
    const { storage: there } = await restored(id)
    for (const path of [join(to(), 'files', 'shop_a'), join(there, 'shop_a')]) {
      expect((await readFile(path)).equals(content)).toBe(true)
      expect((await stat(path)).blocks * 512).toBeLessThanOrEqual(2 * 1024 * 1024)
    }
  })

  test.each([[false], [true]])(
    'makes it anew while it is restored, damage accepted: %s: that is told, and nothing is left',
    async (acceptDamage) => {
      addPart()
      addFinished('shop_a')
      await backedUp(() => undefined)
      const [anew, aside, place] = [join(folder, 'anew'), join(folder, 'aside'), join(folder, 'place')]
      await cp(to(), anew, { recursive: true })
      await backUp({ ...options, database, storage, to: anew, expect: () => undefined })
      const meanwhile = (): void => {
        renameSync(to(), aside)
        renameSync(anew, to())
      }
      const where = { from: to(), database: join(place, 'backhaul.db'), storage: join(place, 'downloads') }
      await expect(restore({ ...options, ...where, acceptDamage, expect: meanwhile })).rejects.toMatchObject({
        code: 'in-use',
        message: expect.stringContaining('restore again'),
      })
      expect(await readdir(where.storage)).toEqual([])
      expect(await restore({ ...options, ...where, acceptDamage, expect: () => undefined })).toMatchObject({ lost: [] })
    },
  )
})
