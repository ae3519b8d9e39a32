import { readFileSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { AppError } from '../../../shared/errors.ts'
import { coalesce } from '../../../shared/coalesce.ts'
import { telling } from '../files.ts'
import type { Database } from './database.ts'

/**
 * The write-ahead log beside a database, synced here and not by SQLite, which would stop the whole process for it. Under
 * `synchronous=NORMAL` SQLite appends a commit to the log and leaves it there; it syncs the log's header when it begins
 * anew, the log before it copies it into the database, and the database before it overwrites the log. So a commit is
 * durable as soon as the log was synced after it. There is no lock on this file that closing it could drop.
 */
export interface Wal {
  /** Resolves once every commit so far is on the disk. @throws AppError `store-busy`, `store-full` */
  settled(): Promise<void>
  /**
   * To be awaited before a commit: after a sync that failed, resolves once what it was to write down is written.
   * @throws AppError `store-busy`, `store-full` while that cannot be done
   */
  usable(): Promise<void>
  close(): Promise<void>
}

/** What the log held when its sync failed, and the version of the database then. */
interface Doubt {
  bytes: Buffer
  version: number
}

/** @param path the log's, beside an open database */
export async function openWal({ path, db }: { path: string; db: Database }): Promise<Wal> {
  const file = await open(path, 'r+')
  let doubt: Doubt | 'lost' | undefined
  const version = (): number => Number(db.one('PRAGMA data_version')?.['data_version'])

  /** The kernel may drop what it could not write, and says so once. What is still in its memory is kept in ours. */
  const remember = (): Doubt | 'lost' => {
    try {
      return { bytes: readFileSync(path), version: version() }
    } catch {
      return 'lost'
    }
  }

  /** The same bytes once more, so that the next sync writes them. Nothing was committed since, and nobody commits now. */
  const writeAgain = (doubted: Doubt | 'lost'): void => {
    if (doubted === 'lost' || version() !== doubted.version) throw needsStart()
    db.transaction(() => {
      for (let at = 0; at < doubted.bytes.byteLength;) at += writeSync(file.fd, doubted.bytes, at, null, at)
    })
  }

  const sync = async (): Promise<void> => {
    if (doubt) writeAgain(doubt)
    try {
      await file.datasync()
      doubt = undefined
    } catch (error) {
      doubt ??= remember()
      throw error
    }
  }

  const settled = telling(coalesce(sync))

  return {
    settled,
    async usable() {
      if (doubt) await settled()
    },
    async close() {
      await settled().catch(() => undefined)
      await file.close()
    },
  }
}

function needsStart(): AppError {
  return new AppError(
    'store-busy',
    'The disk of the database failed, and what was to be written is gone; start the server again.',
  )
}
