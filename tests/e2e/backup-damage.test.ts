import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, open, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readManifest } from '../../server/backup/layout.ts'
import { restore } from '../../server/backup/restore.ts'
import { beginByHand } from '../helpers/by-hand.ts'
import { command, placeIn, startCommand, type Place } from '../helpers/backups.ts'
import { diskNeeds, makeDisk } from '../helpers/disk.ts'
import { sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const MiB = 1024 * 1024

// One server with a finished file and a part; backups of it are damaged in turn.
describe('a backup that is not whole', () => {
  let stack: Stack
  let here: Place
  let good: string
  let finished: Json
  let underWay: string
  let damages = 0

  beforeAll(async () => {
    stack = await startStack()
    here = placeIn(stack.folder)
    const file = join(stack.folder, 'video')
    await writeRandom(file, MiB)
    await stack.online('site', ['--file', file])
    finished = await stack.reached((await stack.ask({ clientId: 'site' }))['id'], 'completed')
    const job = await beginByHand(stack, randomBytes(MiB))
    await job.put(0, 65_536)
    await job.put(131_072, 400_000)
    underWay = job.id
    good = join(stack.folder, 'good')
    expect(await command(here, 'backup', good)).toMatchObject({ code: 0, said: { lost: [] } })
  })
  afterAll(() => stack.stop())

  const elsewhere = (): Place => placeIn(join(stack.folder, randomUUID()))

  /** A copy of the good backup, with something done to it. */
  const damaged = async (damage: (backup: string) => Promise<void>): Promise<string> => {
    const backup = join(stack.folder, `damaged-${(damages += 1)}`)
    await cp(good, backup, { recursive: true })
    await damage(backup)
    return backup
  }

  const manifestOf = async (backup: string): Promise<Json> =>
    JSON.parse(await readFile(join(backup, 'manifest.json'), 'utf8')) as Json

  const changeManifest = async (backup: string, change: (manifest: Json) => void): Promise<void> => {
    const manifest = await manifestOf(backup)
    change(manifest)
    await writeFile(join(backup, 'manifest.json'), JSON.stringify(manifest))
  }

  /** Somebody who knows how: the digests are right. */
  const changeRows = async (backup: string, sql: string): Promise<void> => {
    const path = join(backup, `state-${(await manifestOf(backup))['run']}`, 'backhaul.db')
    const db = new DatabaseSync(path)
    db.exec(sql)
    db.close()
    const database = { size: (await readFile(path)).byteLength, sha256: await sha256OfFile(path) }
    await changeManifest(backup, (manifest) => Object.assign(manifest, { database }))
  }

  /** It is refused, and nothing is left of it. */
  const refused = async (backup: string, code: string, ...args: string[]): Promise<string> => {
    const to = elsewhere()
    const { said, text, code: exitCode } = await command(to, 'restore', backup, ...args)
    expect([said['error']?.['code'], exitCode]).toEqual([code, code.endsWith('-newer') ? 3 : expect.any(Number)])
    expect(exitCode).not.toBe(0)
    expect(await readdir(to.storage).catch(() => [])).toEqual([])
    expect(await readdir(join(to.database, '..')).catch(() => [])).not.toContain('backhaul.db')
    return text
  }

  const flip = async (path: string, position: number): Promise<void> => {
    const file = await open(path, 'r+')
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, position)
    byte[0] = (byte[0] ?? 0) ^ 1
    await file.write(byte, 0, 1, position)
    await file.close()
  }

  const fileIn = async (backup: string): Promise<string> =>
    join(backup, 'files', (await readdir(join(backup, 'files')))[0] ?? '')

  test('names that lead elsewhere are refused, in the manifest and in the rows', async () => {
    const refusedHere = async (backup: string, says: string): Promise<void> => {
      const to = elsewhere()
      const quiet = { now: Date.now, expect: () => undefined, moved: () => undefined }
      const restoring = restore({ from: backup, ...to, acceptDamage: true, ...quiet })
      await expect(restoring).rejects.toMatchObject({ code: 'backup-damaged', message: expect.stringContaining(says) })
      expect(await readdir(to.storage).catch(() => [])).toEqual([])
      expect(existsSync(to.database)).toBe(false)
    }
    for (const change of [{ run: '../../etc' }, { run: -1 }, { run: 1.5 }, { files: ['/etc/passwd'] }, { format: 0 }]) {
      const backup = await damaged((path) => changeManifest(path, (manifest) => Object.assign(manifest, change)))
      await refusedHere(backup, 'is not the manifest of a backup')
    }
    for (const name of ['../outside', '/tmp/outside', '..', '.incoming', 'a/b', 'a\\b', '', 'x'.repeat(256)]) {
      const sql = `UPDATE downloads SET name = '${name}' WHERE id = '${finished['id']}'`
      await refusedHere(await damaged((path) => changeRows(path, sql)), 'which no server would')
    }
    for (const id of ['../../outside', '..', '', `${underWay}/../x`]) {
      const sql = `PRAGMA foreign_keys = OFF; UPDATE downloads SET id = '${id}' WHERE id = '${underWay}'`
      await refusedHere(await damaged((path) => changeRows(path, sql)), 'which no server would')
    }
    const more = await damaged((path) => changeManifest(path, (manifest) => Object.assign(manifest, { run: '../..' })))
    expect(await refused(more, 'backup-damaged', '--accept-damage')).toContain('is not the manifest of a backup')
  })

  test('one of a newer program is not touched', async () => {
    const backup = await damaged((path) => changeManifest(path, (manifest) => Object.assign(manifest, { format: 2 })))
    expect(await refused(backup, 'backup-newer')).toContain('restore it with the program that made it')
  })

  test('a link in the place of a file is not followed', async () => {
    const secret = join(stack.folder, 'secret')
    const backup = await damaged(async (path) => {
      const file = await fileIn(path)
      await cp(file, secret)
      await rm(file)
      await symlink(secret, file)
    })
    await refused(backup, 'backup-damaged')
  })

  test('a flipped bit is found wherever it is, and what is damaged can be left out', async () => {
    const database = await damaged(async (path) => flip(join(path, 'state-1', 'backhaul.db'), 5000))
    expect(await refused(database, 'backup-damaged', '--accept-damage')).toContain('SHA-256 of the manifest')
    const file = await damaged(async (path) => flip(await fileIn(path), 12_345))
    await refused(file, 'backup-damaged')
    const part = await damaged(async (path) => flip(join(path, 'state-1', 'parts', `${underWay}.1.part`), 200_000))
    await refused(part, 'backup-damaged')

    await flip(await fileIn(part), 12_345)
    const to = elsewhere()
    const { code, said } = await command(to, 'restore', part, '--accept-damage')
    expect(code).toBe(1)
    expect(said['lost']).toHaveLength(2)
    const db = new DatabaseSync(to.database, { readOnly: true })
    const rows = db
      .prepare('SELECT id, status, name, removed_at IS NULL AS there, bytes_received FROM downloads ORDER BY seq')
      .all()
    expect(rows.map((row) => ({ ...row }))).toMatchObject([
      { id: finished['id'], status: 'completed', name: null, there: 0 },
      // The chunk without the flipped bit.
      { id: underWay, status: 'transferring', bytes_received: 65_536 },
    ])
    db.close()
  })

  testWith(
    { long: true },
    'one that was cut off is none; one that is cut off later leaves the one before',
    async () => {
      const [backup, file] = [join(stack.folder, 'cut'), join(stack.folder, 'zeros')]
      const manifest = (): ReturnType<typeof readManifest> => readManifest(join(backup, 'manifest.json'))
      await writeFile(file, '')
      await truncate(file, 256 * MiB)
      await stack.online('large', ['--file', file])
      await stack.reached((await stack.ask({ clientId: 'large' }))['id'], 'completed')
      const cut = async (): Promise<void> => {
        const before = await manifest()
        // It reads everything once more: there is time to cut it off, though nothing is new.
        const running = startCommand(here, 'backup', backup, '--verify')
        const begun = async (): Promise<boolean> =>
          (await readdir(backup).catch((): string[] => [])).includes(`state-${(before?.run ?? 0) + 1}`)
        await until('the backup to begin', begun)
        await running.kill('SIGKILL')
        const after = await manifest()
        if (after?.run === before?.run) return expect(after).toEqual(before)
        // On a busy machine it may be done before it is killed.
        if (before === undefined) await rm(backup, { recursive: true })
        await cut()
      }
      await cut()
      expect(await readdir(backup)).not.toContain('manifest.json')
      await refused(backup, 'backup-unfinished')
      const whole = await command(here, 'backup', backup)
      expect(whole).toMatchObject({ code: 0, said: { run: 1, files: { count: 2 } } })
      await cut()
      const { run = 0, createdAt } = (await manifest()) ?? {}
      const restored = await command(elsewhere(), 'restore', backup)
      expect(restored).toMatchObject({ code: 0, said: { run, createdAt, lost: [] } })
      // As one leaves it that is killed in the moment of its end.
      await writeFile(join(backup, `manifest.json.${randomUUID()}.new`), '{')
      // Nothing is left of a backup that was cut off.
      expect(await command(here, 'backup', backup)).toMatchObject({
        code: 0,
        said: { run: run + 1, files: { copied: 0, kept: 2 } },
      })
      expect((await readdir(backup)).toSorted()).toEqual(['files', 'lock.db', 'manifest.json', `state-${run + 1}`])
      const cutRestore = async (): Promise<Place> => {
        const half = elsewhere()
        const restoring = startCommand(half, 'restore', backup)
        const unfinished = `${half.database}.restoring`
        await until('the restore to begin', async () => existsSync(unfinished) || existsSync(half.database))
        await restoring.kill('SIGKILL')
        return existsSync(unfinished) ? half : cutRestore()
      }
      const half = await cutRestore()
      const server = startCommand(half)
      expect([await server.exited, server.output()]).toEqual([1, expect.stringContaining('was cut off')])
      expect(await command(half, 'restore', backup)).toMatchObject({ code: 2, said: { error: { code: 'not-empty' } } })
    },
  )

  test('one without its manifest is none', async () => {
    await refused(await damaged((path) => rm(join(path, 'manifest.json'))), 'backup-unfinished')
  })

  test('a folder that holds something else is neither written to nor restored from, nor over', async () => {
    const other = join(stack.folder, 'other')
    await mkdir(other)
    await writeFile(join(other, 'thesis.txt'), 'mine')
    expect(await command(here, 'backup', other)).toMatchObject({ code: 2, said: { error: { code: 'not-a-backup' } } })
    expect(await command(elsewhere(), 'restore', other)).toMatchObject({
      code: 2,
      said: { error: { code: 'not-a-backup' } },
    })
    expect(await command(here, 'restore', good)).toMatchObject({ code: 2, said: { error: { code: 'not-empty' } } })
    const storage = { ...elsewhere(), storage: other }
    expect(await command(storage, 'restore', good)).toMatchObject({ code: 2, said: { error: { code: 'not-empty' } } })
    expect(await readdir(other)).toEqual(['thesis.txt'])
    const away = placeIn(join(stack.folder, 'not mounted'))
    expect(await command(away, 'backup', join(stack.folder, 'never'))).toMatchObject({
      code: 1,
      said: { error: { code: 'no-data' } },
    })
  })

  test('one of a newer program is refused, with an exit code of its own', async () => {
    const backup = await damaged((path) => changeManifest(path, (manifest) => Object.assign(manifest, { schema: 99 })))
    await refused(backup, 'database-newer')
  })

  test('what the server has lost is told, and what the backup has of it from before stays', async () => {
    const backup = await damaged(async () => undefined)
    const aside = `${finished['filePath']}.aside`
    await cp(finished['filePath'], aside)
    await flip(finished['filePath'], 77)
    try {
      const again = await command(here, 'backup', backup, '--verify')
      expect(again.said).toMatchObject({ lost: [], files: { kept: 1 } })
      const anew = await command(here, 'backup', join(stack.folder, 'anew'))
      expect(anew).toMatchObject({ code: 1, said: { lost: [expect.stringContaining('damaged')] } })
      const links = join(stack.folder, 'links')
      expect(await command(here, 'backup', links, '--link')).toMatchObject({ code: 0, said: { files: { copied: 0 } } })
      for (let run = 0; run < 2; run += 1) {
        const read = await command(here, 'backup', links, '--link', '--verify')
        expect(read).toMatchObject({ code: 1, said: { lost: [expect.stringContaining('damaged')] } })
        expect(await readdir(join(links, 'files'))).not.toContain(basename(finished['filePath']))
      }
      await rm(finished['filePath'])
      const gone = await command(here, 'backup', backup)
      expect(gone).toMatchObject({ code: 1, said: { lost: [expect.stringContaining('from an earlier run')] } })
      expect(await command(elsewhere(), 'restore', backup)).toMatchObject({ code: 0 })
    } finally {
      await cp(aside, finished['filePath'])
      await rm(aside)
    }
  })

  testWith(diskNeeds, 'a full disk: it says so, and the backup before is as it was', async () => {
    const disk = await makeDisk({ size: 24 * MiB })
    try {
      const backup = join(disk.folder, 'backup')
      await rm(join(disk.folder, 'lost+found'), { recursive: true })
      expect(await command(here, 'backup', backup)).toMatchObject({ code: 0 })
      const before = await readFile(join(backup, 'manifest.json'), 'utf8')
      const file = join(stack.folder, 'too large')
      await writeRandom(file, 30 * MiB)
      await stack.online('heavy', ['--file', file])
      await stack.reached((await stack.ask({ clientId: 'heavy' }))['id'], 'completed')
      expect(await command(here, 'backup', backup)).toMatchObject({ code: 1, said: { error: { code: 'disk-full' } } })
      expect(await readFile(join(backup, 'manifest.json'), 'utf8')).toBe(before)
      const linked = await command(here, 'backup', join(disk.folder, 'links'), '--link')
      expect(linked).toMatchObject({ code: 1, said: { error: { code: 'no-links' } } })
      expect(await command(elsewhere(), 'restore', backup)).toMatchObject({ code: 0, said: { lost: [] } })
      // Nor does a restore onto a full disk leave anything.
      await disk.fill(800_000)
      const to = placeIn(join(disk.folder, 'restored'))
      expect(await command(to, 'restore', good)).toMatchObject({ code: 1, said: { error: { code: 'disk-full' } } })
      expect(await readdir(to.storage)).toEqual([])
      expect(await readdir(join(to.database, '..'))).toEqual(['backhaul.db.lock'])
    } finally {
      await disk.remove()
    }
  })
})
