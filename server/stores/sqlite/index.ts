import { dirname, resolve } from 'node:path'
import type { JobStore } from '../../ports.ts'
import { makeFolder } from '../files.ts'
import { lockExclusively } from '../lock.ts'
import { createChunkStore } from './chunks.ts'
import { createClientStore } from './clients.ts'
import { openDatabase } from './database.ts'
import { createDownloadStore } from './downloads.ts'
import { createDownloadLists } from './lists.ts'
import { openWal } from './wal.ts'

/** Jobs, clients and received ranges in one SQLite file at `path`, held exclusively until close; its folder is made. */
export async function openSqliteJobs({ path }: { path: string }): Promise<JobStore> {
  await makeFolder(dirname(resolve(path)))
  // What a start repairs is repaired once: two servers on one database would take each other's work apart.
  const unlock = lockExclusively(`${path}.lock`, path)
  const db = openDatabase(path)
  const wal = await openWal({ path: `${path}-wal`, db })

  /** A call that changes something returns when that, and what it saw, is durable. */
  const durably =
    <A extends unknown[], T>(change: (...args: A) => Promise<T>): ((...args: A) => Promise<T>) =>
    async (...args) => {
      await wal.usable()
      const result = await change(...args)
      await wal.settled()
      return result
    }

  const clients = createClientStore({ db })
  const downloads = createDownloadStore({ db })
  const chunks = createChunkStore({ db, wal })
  return {
    ...clients,
    recordContacts: durably(clients.recordContacts),
    recordConflict: durably(clients.recordConflict),
    beginSession: durably(clients.beginSession),
    ...downloads,
    ...createDownloadLists({ db }),
    createDownloads: durably(downloads.createDownloads),
    transition: durably(downloads.transition),
    addResent: durably(downloads.addResent),
    forgetIdempotencyKeys: durably(downloads.forgetIdempotencyKeys),
    ...chunks,
    forgetChunks: durably(chunks.forgetChunks),
    async close() {
      await wal.close()
      db.close()
      unlock()
    },
  }
}
