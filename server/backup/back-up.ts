import { existsSync } from 'node:fs'
import { mkdir, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeFolder, syncFolder } from '../../shared/folder.ts'
import { removeUnfinished, replaceFile } from '../../shared/replace-file.ts'
import type { Part } from '../byte-ports.ts'
import { partsFolder } from '../stores/disk/layout.ts'
import { lockExclusively } from '../stores/lock.ts'
import { copyDatabase, firstOf, openLive, openSnapshot, type Live, type Snapshot } from '../stores/sqlite/snapshot.ts'
import { digestOf, openRegular, type Moved } from './copy.ts'
import { BackupError, tellingOfDatabase, tellingOfRoom } from './errors.ts'
import { createFinishedCopies, type Outcome } from './finished.ts'
import {
  FORMAT,
  backupLayout,
  checkedName,
  checkedPart,
  namesIn,
  readManifest,
  removeOtherFiles,
  removeOtherRuns,
  type BackupLayout,
  type Manifest,
} from './layout.ts'
import { copyPart } from './part.ts'
import { several } from './several.ts'

export interface BackUpOptions {
  /** The server's database. */
  database: string
  /** The server's files. */
  storage: string
  /** Where the backup is made, or made anew. */
  to: string
  /** Finished files as hard links: both must lie on one file system. */
  link: boolean
  /** Files that are there from earlier runs are read, and compared by their digest. */
  verify: boolean
  version: string
  now: () => number
  /** How many bytes are to be copied or compared in all. */
  expect: (bytes: number) => void
  moved: Moved
}

export interface BackedUp {
  manifest: Manifest
  files: Outcome
}

/**
 * Copies a server's data while it runs: the database as it is at one moment, then the bytes that its rows promise. A row
 * is written once its bytes are on the disk, so that what is copied later holds them; should they be gone by then,
 * the copied rows are changed to say so. The manifest comes last: without it there is no backup, and until then the one
 * before is as it was.
 * @throws BackupError
 */
export async function backUp(options: BackUpOptions): Promise<BackedUp> {
  const to = resolve(options.to)
  const layout = backupLayout(to)
  checkSource(options)
  await checkPlace(to)
  await makeFolder(to, 0o700)
  const inUse = (cause: unknown): Error =>
    new BackupError('in-use', `Another backup into ${to} is under way.`, { cause })
  const unlock = lockExclusively(layout.lock, inUse)
  try {
    return await backUpInto(to, layout, { ...options, storage: resolve(options.storage) })
  } catch (error) {
    throw tellingOfRoom(error, to, 'free some, and run it again: what was copied so far is not copied again')
  } finally {
    unlock()
  }
}

/** An empty place is more likely a mistake, or a disk that is not mounted, than a server without data. */
function checkSource({ database, storage }: BackUpOptions): void {
  for (const [path, variable] of [
    [database, 'DATABASE_URL'],
    [storage, 'STORAGE_URL'],
  ] as const) {
    if (!existsSync(path))
      throw new BackupError('no-data', `There is no ${path}; ${variable} says where the server has it.`)
  }
}

/** @throws BackupError for a folder that holds something else */
async function checkPlace(to: string): Promise<void> {
  const names = await namesIn(to)
  if (names.length === 0 || names.includes('manifest.json') || names.includes('lock.db')) return
  throw new BackupError('not-a-backup', `${to} holds something else; give an empty folder, or one of earlier backups.`)
}

async function backUpInto(to: string, layout: BackupLayout, options: BackUpOptions): Promise<BackedUp> {
  const before = await readManifest(layout.manifest)
  await removeUnfinished(layout.manifest)
  await removeOtherRuns(to, before?.run)
  const run = (before?.run ?? 0) + 1
  try {
    const backedUp = await makeRun(layout, { run, before: before?.run }, options)
    await replaceFile(layout.manifest, `${JSON.stringify(backedUp.manifest, null, 2)}\n`)
    await removeOtherRuns(to, run)
    await removeOtherFiles(layout.files, backedUp.files.names)
    return backedUp
  } catch (error) {
    await removeOtherRuns(to, (await readManifest(layout.manifest))?.run)
    throw error
  }
}

async function makeRun(
  layout: BackupLayout,
  { run, before }: { run: number; before: number | undefined },
  options: BackUpOptions,
): Promise<BackedUp> {
  await mkdir(layout.state(run))
  await mkdir(layout.parts(run))
  await mkdir(layout.files, { recursive: true })
  const { version, database } = options
  const createdAt = new Date(options.now()).toISOString()
  try {
    copyDatabase(database, layout.database(run))
  } catch (error) {
    throw tellingOfDatabase(error, database)
  }
  if (before !== undefined) checkSameServer(layout, { run, before }, options)
  const { files, parts, schema } = await copyPromised(layout, run, options)
  const sealed = await seal(layout, run)
  const counted = { count: files.names.size, bytes: files.bytes }
  return {
    manifest: { format: FORMAT, version, schema, createdAt, run, database: sealed, files: counted, parts },
    files,
  }
}

/**
 * Nothing that the backup has stays but for what the new rows promise: those of another server, or of this one begun anew
 * on an empty disk, promise none of it.
 * @throws BackupError
 */
function checkSameServer(
  layout: BackupLayout,
  { run, before }: { run: number; before: number },
  { to, database }: BackUpOptions,
): void {
  const first = firstOf(layout.database(before))
  if (first === undefined || first === firstOf(layout.database(run))) return
  const whose = `${to} holds the backup of another server than ${database}, or of this one before it lost its data`
  throw new BackupError('not-a-backup', `${whose}; restore that, or give another folder.`)
}

/** All that the copied rows promise; what is not there, they promise no more. */
async function copyPromised(
  layout: BackupLayout,
  run: number,
  options: BackUpOptions,
): Promise<{ files: Outcome; parts: Manifest['parts']; schema: number }> {
  const { database, storage, moved } = options
  const snapshot = openSnapshot(layout.database(run))
  const live = openLive(database)
  try {
    options.expect(snapshot.totals().bytes)
    // Parts first: what is under way is the first to be gone.
    const parts = await copyParts({ snapshot, live, layout, run, storage, moved })
    const finished = createFinishedCopies({ ...options, snapshot, layout, isRemoved: live.isRemoved })
    await several(snapshot.finished(), finished.add)
    return { files: finished.outcome, parts, schema: snapshot.version }
  } finally {
    live.close()
    snapshot.close()
  }
}

async function copyParts({
  snapshot,
  live,
  layout,
  run,
  storage,
  moved,
}: {
  snapshot: Snapshot
  live: Live
  layout: BackupLayout
  run: number
  storage: string
  moved: Moved
}): Promise<Manifest['parts']> {
  const parts = { count: 0, bytes: 0 }
  await several(snapshot.promised(), async (part) => {
    const from = (await openRegular(join(partsFolder(storage), checkedPart(part)))) ?? (await openNamed(part))
    const { bytes } = await copyPart({ snapshot, part, from, to: layout.part(run, part), moved })
    if (bytes === undefined) return
    parts.count += 1
    parts.bytes += bytes
  })
  return parts

  /** Completed meanwhile: it had its name before its part was removed. */
  async function openNamed(part: Part): Promise<FileHandle | undefined> {
    const name = live.nameOf(part)
    return name === undefined ? undefined : openRegular(join(storage, checkedName(name)))
  }
}

/** Makes everything durable that the manifest stands for. */
async function seal(layout: BackupLayout, run: number): Promise<Manifest['database']> {
  const file = await openRegular(layout.database(run))
  if (!file) throw new BackupError('backup-damaged', `${layout.database(run)} was removed while it was written.`)
  try {
    const { size } = await file.stat()
    await file.sync()
    const digest = await digestOf(file, () => undefined)
    for (const folder of [layout.parts(run), layout.state(run), layout.files]) await syncFolder(folder)
    return { size, sha256: digest }
  } finally {
    await file.close()
  }
}
