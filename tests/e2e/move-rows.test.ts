import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Client } from 'pg'
import { move } from '../../server/move/move.ts'
import { openDatabase } from '../../server/stores/sqlite/database.ts'
import { openSource, tables } from '../../server/stores/sqlite/source.ts'
import { placeIn } from '../helpers/backups.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { newHome, type NewHome } from '../helpers/moving.ts'
import { describeWith } from '../helpers/needs.ts'
import { postgresLacking } from '../helpers/postgres.ts'
import { s3Lacking } from '../helpers/s3.ts'
import { stored, storedVersions, unpackStored } from '../helpers/stored-database.ts'

/** Rows enough for several statements. */
const MANY = 1234

describeWith({ otherwise: postgresLacking() ?? s3Lacking() }, 'rows on their way to PostgreSQL', () => {
  let folder: string
  let remove: () => Promise<void>
  let home: NewHome

  beforeEach(async () => {
    const made = await temporaryFolder()
    folder = made.folder
    remove = made.remove
    home = await newHome()
  })
  afterEach(async () => {
    await home.place.remove()
    await remove()
  })

  const moveIt = () =>
    move({
      ...placeIn(folder),
      to: { database: { kind: 'postgres', url: home.url }, storage: home.place },
      acceptDamage: false,
      now: Date.now,
      expect: () => undefined,
      moved: () => undefined,
    })

  /** Rows of both, as text in one order. */
  const compare = async (): Promise<void> => {
    const source = openSource(placeIn(folder).database)
    const client = new Client({ connectionString: home.url })
    await client.connect()
    try {
      for (const table of tables) {
        const there = (await client.query(`SELECT * FROM ${table}`)).rows as Record<string, unknown>[]
        const own = table === 'secrets' ? there.filter((row) => row['name'] !== 'storage') : there
        // In which transaction an event came is this database's own.
        for (const row of own) delete row['xid']
        const [here, old] = [own, [...source.rows(table)]].map((rows) => rows.map(plain).toSorted(byText))
        expect([table, here]).toEqual([table, old])
      }
    } finally {
      await client.end()
      source.close()
    }
  }

  test('no table is forgotten', () => {
    const path = join(folder, 'new.db')
    openDatabase(path).close()
    const db = new DatabaseSync(path)
    const names = db.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).all()
    db.close()
    expect(names.map(({ name }) => String(name)).toSorted()).toEqual([...tables, 'chunks', 'event_log'].toSorted())
  })

  for (const version of storedVersions()) {
    test(`a database of version ${version} comes as it is, with the bytes that its rows promise`, async () => {
      await unpackStored(version, placeIn(folder))
      const { finished, lost, files, parts } = await moveIt()
      expect({ finished, lost, files: files.bytes, parts: parts.bytes }).toEqual({
        finished: true,
        lost: [],
        files: stored.size,
        parts: stored.chunks.reduce((sum, [start, end]) => sum + end - start, 0),
      })
      await compare()
    })
  }

  test('thousands of rows, with what is hard to say in SQL; new ones are numbered behind them', async () => {
    const place = placeIn(folder)
    await unpackStored(storedVersions().at(-1) ?? 0, place)
    const db = new DatabaseSync(place.database)
    const hard = String.raw`{"a", \b} 'c' NULL ${'\n\t'} ä 漢 🎉`
    const entry = db.prepare(
      `INSERT INTO audit (at, actor, address, action, path, status) VALUES (?, 'nobody', '::1', 'GET /', ?, 200)`,
    )
    db.exec('BEGIN')
    for (let at = 0; at < MANY; at += 1) entry.run(at, at % 2 === 0 ? `${hard}${at}` : null)
    const one = db.prepare('SELECT id FROM clients LIMIT 1').get()?.['id'] ?? ''
    db.prepare('INSERT INTO labels VALUES (?, ?, ?)').run('key', hard, one)
    db.prepare('INSERT INTO idempotency VALUES (?, ?, ?, ?)').run('key', hard, '[]', 1)
    db.exec(`INSERT INTO webhooks VALUES ('told of two', '1.2'), ('told of nothing', '1.0')`)
    const waiting = db.prepare(
      `INSERT INTO deliveries (endpoint, event, at, body, attempts, next_at, last_status) VALUES ('told of two', ?, 1, ?, 2, 3, 500)`,
    )
    for (let n = 0; n < MANY; n += 1) waiting.run(`1.${n}`, hard)
    db.exec('COMMIT')
    const last = Number(db.prepare('SELECT max(seq) AS last FROM audit').get()?.['last'])
    const lastEvent = Number(db.prepare('SELECT max(seq) AS last FROM events').get()?.['last'])
    db.close()
    await moveIt()
    await compare()
    const client = new Client({ connectionString: home.url })
    await client.connect()
    const sql = `INSERT INTO audit (at, actor, address, action, status) VALUES (1, '', '', '', 200) RETURNING seq`
    const { rows } = await client.query(sql)
    // What happens from now on is told again.
    await client.query(`UPDATE downloads SET status = 'cancelled' WHERE status = 'queued'`)
    const { rows: events } = await client.query('SELECT type FROM events WHERE seq = $1', [lastEvent + 1])
    const next = `INSERT INTO deliveries (endpoint, event, at, body, next_at) VALUES ('a', 'new', 1, '', 0) RETURNING seq`
    const { rows: deliveries } = await client.query(next)
    await client.end()
    expect(Number(deliveries[0]['seq'])).toBe(MANY + 1)
    expect(Number(rows[0]['seq'])).toBe(last + 1)
    expect(events).toEqual([{ type: 'download.cancelled' }])
  })
})

const byText = (a: string, b: string): number => (a < b ? -1 : 1)

/** Of SQLite, true is 1; the driver has bigints as text. */
function plain(row: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(row).toSorted((a, b) => (a < b ? -1 : 1))
  // Before an event's number stands what is each database's own.
  return JSON.stringify(
    names.map((name) => [name, name === 'position' ? textOf(row[name])?.replace(/^\d+[.-]/, '') : textOf(row[name])]),
  )
}

function textOf(value: unknown): string | null {
  if (typeof value === 'boolean') return value ? '1' : '0'
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}
