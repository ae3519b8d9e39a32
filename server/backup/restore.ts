import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { makeFolder, syncFolder } from '../../shared/folder.ts'
import { lockFile, partsFolder } from '../stores/disk/layout.ts'
import { lockExclusively } from '../stores/lock.ts'
import { NewerDatabaseError } from '../stores/newer-database.ts'
import { beginAnew, databaseLock, restoringPath } from '../stores/sqlite/restored.ts'
import { migrations } from '../stores/sqlite/schema.ts'
import { movedPath } from '../stores/sqlite/moved.ts'
import { openSnapshot, type Finished, type Snapshot } from '../stores/sqlite/snapshot.ts'
import { copyFile, makeWhole, openRegular, type Moved } from './copy.ts'
import { BackupError, tellingOfRoom } from './errors.ts'
import {
  backupLayout,
  checkedName,
  checkedPart,
  namesIn,
  readManifest,
  type BackupLayout,
  type Manifest,
} from './layout.ts'
import { copyPart } from './part.ts'
import { several } from './several.ts'

export interface RestoreOptions {
  /** A backup's folder. */
  from: string
  /** Where the server's database and files will be: neither may be there. */
  database: string
  storage: string
  /** Restores what can be, where something of the backup is missing or damaged. */
  acceptDamage: boolean
  now: () => number
  /** How many bytes are to be copied in all. */
  expect: (bytes: number) => void
  moved: Moved
}

export interface Restored {
  manifest: Manifest
  /** What is missing or damaged in the backup. */
  lost: string[]
}

/**
 * Makes a server's data from a backup. Everything is compared with its digest. The database comes last: without it, a server
 * does not start on what a restore that was cut off has left.
 * @throws BackupError, and then nothing is left; NewerDatabaseError
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const layout = backupLayout(resolve(options.from))
  const manifest = await manifestOf(resolve(options.from), layout)
  const [database, storage] = [resolve(options.database), resolve(options.storage)]
  await checkEmpty(database, storage)
  await makeFolder(dirname(database))
  await makeFolder(partsFolder(storage))
  const unlock = await lockBoth(database, storage)
  try {
    const lost = await restoreInto(layout, manifest, { ...options, database, storage })
    unlock()
    return { manifest, lost }
  } catch (error) {
    await removeAll(database, storage)
    unlock()
    await rm(partsFolder(storage), { recursive: true, force: true })
    if (error instanceof BackupError && error.code === 'backup-damaged') await checkSame(layout, manifest, options)
    throw tellingOfRoom(error, storage, 'free some, and restore again: nothing is left of this one')
  }
}

async function manifestOf(from: string, layout: BackupLayout): Promise<Manifest> {
  const manifest = await readManifest(layout.manifest)
  if (manifest) {
    if (manifest.schema > migrations.length)
      throw new NewerDatabaseError(manifest.schema, migrations.length, `the backup in ${from}`)
    return manifest
  }
  if (existsSync(layout.lock)) {
    throw new BackupError(
      'backup-unfinished',
      `The backup in ${from} was cut off: it has no manifest. Take another one.`,
    )
  }
  throw new BackupError('not-a-backup', `There is no backup in ${from}: it has no manifest.json.`)
}

/** What is missing may only be gone because the backup was made anew. @throws BackupError */
async function checkSame(layout: BackupLayout, { run }: Manifest, { from }: RestoreOptions): Promise<void> {
  if ((await readManifest(layout.manifest))?.run === run) return
  throw new BackupError('in-use', `The backup in ${from} was made anew meanwhile; restore again.`)
}

async function checkEmpty(database: string, storage: string): Promise<void> {
  for (const path of [database, `${database}-wal`, restoringPath(database), movedPath(database)]) {
    if (!existsSync(path)) continue
    throw new BackupError('not-empty', `${path} is there already; move it away, or name another DATABASE_URL.`)
  }
  if ((await namesIn(storage)).length === 0) return
  throw new BackupError('not-empty', `${storage} is not empty; move away what is there, or name another STORAGE_URL.`)
}

async function lockBoth(database: string, storage: string): Promise<() => void> {
  const refuse =
    (what: string) =>
    (cause: unknown): Error =>
      new BackupError('in-use', `Another process is using ${what}; stop it first.`, { cause })
  const first = lockExclusively(lockFile(storage), refuse(storage))
  try {
    const second = lockExclusively(databaseLock(database), refuse(database))
    return () => {
      second()
      first()
    }
  } catch (error) {
    first()
    // Else the next one would find something there.
    await rm(partsFolder(storage), { recursive: true, force: true })
    throw error
  }
}

/** What was brought to where nothing had been. */
async function removeAll(database: string, storage: string): Promise<void> {
  const copy = restoringPath(database)
  for (const path of [copy, `${copy}-wal`, `${copy}-shm`]) await rm(path, { force: true })
  const kept = partsFolder(storage)
  for (const name of await namesIn(storage)) {
    if (join(storage, name) !== kept) await rm(join(storage, name), { recursive: true, force: true })
  }
}

/** @returns what is lost */
async function restoreInto(layout: BackupLayout, manifest: Manifest, options: RestoreOptions): Promise<string[]> {
  const { database, storage } = options
  const copy = restoringPath(database)
  await copyDatabase(layout, manifest, copy)
  // As long as it is there no server starts: before anything else is.
  await syncFolder(dirname(copy))
  const snapshot = openSnapshot(copy)
  const lost: string[] = []
  const lose = (what: string): void => {
    lost.push(what)
    if (options.acceptDamage) return
    const advice = '--accept-damage restores the rest without it'
    throw new BackupError('backup-damaged', `The backup is damaged: ${what}. ${advice}.`)
  }
  try {
    options.expect(snapshot.totals().bytes)
    await restoreParts(layout, manifest, snapshot, options, lose)
    await several(snapshot.finished(), async (file) => {
      if (await restoreFinished(layout, file, options)) return
      lose(`${file.name} is missing, or has not its SHA-256`)
      snapshot.forgetFinished(file.id, options.now())
    })
  } finally {
    snapshot.close()
  }
  if (lost.length > 0) await checkSame(layout, manifest, options)
  await syncFolder(partsFolder(storage))
  await syncFolder(storage)
  beginAnew(copy)
  await rename(copy, database)
  await syncFolder(dirname(database))
  return lost
}

async function copyDatabase(layout: BackupLayout, { run, database }: Manifest, to: string): Promise<void> {
  const from = await openRegular(layout.database(run))
  try {
    const good =
      from &&
      (await makeWhole(to, async (file) => {
        const { size, sha256 } = await copyFile(from, file, () => undefined)
        return size === database.size && sha256 === database.sha256
      }))
    if (good) return
  } finally {
    await from?.close()
  }
  const what = from ? 'has not the SHA-256 of the manifest' : 'is missing'
  throw new BackupError('backup-damaged', `The backup's database ${layout.database(run)} ${what}; take another backup.`)
}

async function restoreParts(
  layout: BackupLayout,
  { run }: Manifest,
  snapshot: Snapshot,
  { storage, moved }: RestoreOptions,
  lose: (what: string) => void,
): Promise<void> {
  await several(snapshot.promised(), async (part) => {
    const name = checkedPart(part)
    const from = await openRegular(layout.part(run, part))
    const { lost } = await copyPart({ snapshot, part, from, to: join(partsFolder(storage), name), moved })
    if (lost > 0) lose(`${name} has lost ${lost} bytes`)
  })
}

/** @returns whether it is there, as it was verified */
async function restoreFinished(
  layout: BackupLayout,
  { name, size, sha256 }: Finished,
  { storage, moved }: RestoreOptions,
): Promise<boolean> {
  const from = await openRegular(layout.file(name))
  if (!from) return false
  try {
    const { mtime } = await from.stat()
    return await makeWhole(join(storage, checkedName(name)), async (to) => {
      const copied = await copyFile(from, to, moved)
      await to.utimes(mtime, mtime)
      return copied.size === size && (sha256 === null || copied.sha256 === sha256)
    })
  } finally {
    await from.close()
  }
}
