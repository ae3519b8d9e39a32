import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Moved } from '../backup/copy.ts'
import { several } from '../backup/several.ts'
import type { ByteStore } from '../byte-ports.ts'
import { lockFile } from '../stores/disk/layout.ts'
import { lockExclusively } from '../stores/lock.ts'
import { openBytesOf } from '../stores/open-shared.ts'
import type { SharedAddresses } from '../stores/open.ts'
import { createAccessStore } from '../stores/postgres/access.ts'
import { openDatabase } from '../stores/postgres/database.ts'
import { movedPath, readMoved, writeMoved, type Moved as Mark } from '../stores/sqlite/moved.ts'
import type { Total } from '../stores/sqlite/promised.ts'
import { checkRestored, databaseLock } from '../stores/sqlite/restored.ts'
import { bringUpToDate, openSource, tables, type Source, type Table } from '../stores/sqlite/source.ts'
import { createByteMover, type Loss } from './bytes.ts'
import { MoveError } from './errors.ts'
import { groupsOf } from './groups.ts'
import { placesOf } from './places.ts'
import { createTarget, type Target } from './target.ts'

export interface MoveOptions {
  /** Of the old server. */
  database: string
  storage: string
  to: SharedAddresses
  /** Moves the rest where something is missing or damaged. */
  acceptDamage: boolean
  now: () => number
  /** How many bytes there are in all. */
  expect: (bytes: number) => void
  moved: Moved
}

/** What there is to be moved. */
export interface Contents {
  rows: number
  downloads: number
  clients: number
  /** Finished files. */
  files: Total
  /** Attempts under way, or kept for a retry: what is received of them. */
  parts: Total
}

export interface Outcome extends Contents {
  /** What is missing or damaged at the old place. */
  lost: string[]
  /** Whether servers may start at the new place, and none at the old one. */
  finished: boolean
}

/** Rows that are written together. */
const BATCH = 500

/** What would be moved; the server may run meanwhile. @throws MoveError, NewerDatabaseError */
export function look({ database, storage }: Pick<MoveOptions, 'database' | 'storage'>): Contents {
  checkSource(database, storage)
  const source = openSource(database)
  try {
    return contentsOf(source)
  } finally {
    source.close()
  }
}

/**
 * Brings everything that one server has to PostgreSQL and an object store. Both places are marked first: neither the old
 * server nor a new one starts before it is finished, and afterwards only new ones. What was cut off is gone on with by the
 * next call; nothing is changed at the old place but for the mark.
 * @throws MoveError, NewerDatabaseError; AppError `store-busy`, `store-full`
 */
export async function move(options: MoveOptions): Promise<Outcome> {
  const [database, storage] = [resolve(options.database), resolve(options.storage)]
  checkSource(database, storage)
  const unlock = lockBoth(database, storage)
  try {
    const before = readMoved(database)
    if (before?.finishedAt != null) throw movedBefore(before, database)
    checkRestored(database)
    bringUpToDate(database)
    return await moveTo({ ...options, database, storage }, before)
  } finally {
    unlock()
  }
}

async function moveTo(options: MoveOptions, before: Mark | undefined): Promise<Outcome> {
  const { database, to } = options
  const mark: Mark = { id: before?.id ?? randomUUID(), ...placesOf(to), finishedAt: null }
  const db = await openDatabase({ url: to.database.url })
  try {
    const target = createTarget(db)
    await target.check(mark.id)
    const bytes = await openBytesOf(createAccessStore({ db }), to.storage)
    try {
      await writeMoved(database, mark)
      return await moveInto(options, mark, { target, bytes, source: openSource(database) })
    } catch (error) {
      // Nothing has come there, and nothing keeps the old server from going on. Who cannot say so now may say so later.
      if (!before && !(await target.isBegun(mark.id).catch(() => true))) await rm(movedPath(database))
      throw error
    } finally {
      await bytes.close()
    }
  } finally {
    await db.close()
  }
}

interface Places {
  source: Source
  target: Target
  bytes: ByteStore
}

async function moveInto(options: MoveOptions, mark: Mark, { source, target, bytes }: Places): Promise<Outcome> {
  const { database, acceptDamage, now, moved } = options
  try {
    const contents = contentsOf(source)
    options.expect(contents.files.bytes + contents.parts.bytes)
    const losses: Loss[] = []
    const outcome = (): Outcome => ({ ...contents, lost: losses.map(({ what }) => what), finished: true })

    // Finished before, and cut off as it was to be written down here?
    if (!(await target.begin({ id: mark.id, source: database }))) {
      const counts = await copyRows(source, target)
      const lose = (loss: Loss): void => void losses.push(loss)
      const mover = createByteMover({ ...options, source, bytes, target, moved, lose })
      await several(source.promised(), mover.part)
      await several(source.finished(), mover.finished)
      if (losses.length > 0 && !acceptDamage) return { ...outcome(), finished: false }
      for (const { accept } of losses) await accept()
      await target.finish(mark.id, counts)
    }
    await writeMoved(database, { ...mark, finishedAt: new Date(now()).toISOString() })
    return outcome()
  } finally {
    source.close()
  }
}

/** @returns how many rows each table has */
async function copyRows(source: Source, target: Target): Promise<Map<Table, number>> {
  const counts = new Map<Table, number>()
  for (const table of tables) {
    counts.set(table, source.count(table))
    for (const rows of groupsOf(source.rows(table), BATCH)) await target.insert(table, rows)
  }
  return counts
}

function contentsOf(source: Source): Contents {
  const { finished, parts } = source.totals()
  return {
    rows: tables.reduce((sum, table) => sum + source.count(table), 0),
    downloads: source.count('downloads'),
    clients: source.count('clients'),
    files: finished,
    parts,
  }
}

/** An empty place is more likely a mistake, or a disk that is not mounted, than a server without data. */
function checkSource(database: string, storage: string): void {
  for (const [path, variable] of [
    [database, 'DATABASE_URL'],
    [storage, 'STORAGE_URL'],
  ] as const) {
    if (!existsSync(path))
      throw new MoveError('no-data', `There is no ${path}; ${variable} says where the server has it.`)
  }
}

function movedBefore({ database, storage, finishedAt }: Mark, from: string): MoveError {
  return new MoveError('moved', `${from} was moved to ${database} and ${storage} at ${finishedAt}.`)
}

/** Neither the old server nor another move is at work there. */
function lockBoth(database: string, storage: string): () => void {
  const refuse =
    (what: string) =>
    (cause: unknown): Error =>
      new MoveError('in-use', `Another process is using ${what}; stop the server first.`, { cause })
  const first = lockExclusively(databaseLock(database), refuse(database))
  try {
    const second = lockExclusively(lockFile(storage), refuse(storage))
    return () => {
      second()
      first()
    }
  } catch (error) {
    first()
    throw error
  }
}
