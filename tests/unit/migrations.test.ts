import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { openDatabase } from '../../server/stores/sqlite/database.ts'
import { migrations } from '../../server/stores/sqlite/schema.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { contentOf, databaseOf, downloadsBeside, fillOld, opened } from '../helpers/old-database.ts'
import { start } from '../helpers/process.ts'

/** Of each migration that is in use somewhere, the first 16 digits of its SHA-256: what they did there is done. */
const shipped = ['b64360097364465d', 'ae8aa43da48c4521', '4e1527f9f970c28e', '6847eeee7b67a87c', '416ce48d4541888b']
let folder: string
let remove: () => Promise<void>

beforeAll(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterAll(() => remove())

test('a migration that has shipped is what it was', () => {
  const hashes = migrations.map((sql) => createHash('sha256').update(sql).digest('hex').slice(0, 16))
  expect(hashes.slice(0, shipped.length)).toEqual(shipped)
})

const nothing = async (): Promise<void> => undefined

test.each([0, 1, 2, 3, 4, 5])('a database of version %i gets the tables that a new one has', async (version) => {
  const paths = [await databaseOf(folder, version), await databaseOf(folder, migrations.length)]
  for (const path of paths) await opened(path, nothing)
  const [migrated, fresh] = paths.map((path) => contentOf(path)['schema'])
  expect(migrated).toEqual(fresh)
})

test('a migration that cannot be done changes nothing, and is done the next time', async () => {
  const path = await databaseOf(folder, 3, (db) => {
    fillOld(db)
    db.exec('CREATE TABLE audit (something TEXT) STRICT')
  })
  const before = contentOf(path)
  expect(() => openDatabase(path)).toThrow('database: table audit already exists')
  expect(contentOf(path)).toEqual(before)
  const db = new DatabaseSync(path)
  db.exec('DROP TABLE audit')
  db.close()
  openDatabase(path).close()
  expect(contentOf(path)['downloads']).toHaveLength(8)
  expect(contentOf(path)['version']).toEqual([{ user_version: migrations.length }])
})

test('a server does not touch a database of a newer program, and says why', async () => {
  const newer = migrations.length + 1
  const path = await databaseOf(folder, migrations.length, (db) => {
    fillOld(db)
    db.exec(`CREATE TABLE tomorrow (id TEXT); PRAGMA user_version = ${newer}`)
  })
  const before = contentOf(path)
  const STORAGE_URL = `file:${downloadsBeside(path)}`
  const server = start('server/main.ts', [], { DATABASE_URL: `sqlite:${path}`, STORAGE_URL, PORT: '0' })
  expect(await server.exited).toBe(3)
  const known = migrations.length
  expect(server.output()).toContain(`the database is of a newer version (${newer}) than this program knows (${known})`)
  expect(server.output()).not.toContain('listening')
  expect(contentOf(path)).toEqual(before)
})
