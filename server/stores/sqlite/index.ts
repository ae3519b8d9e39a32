import { dirname, resolve } from 'node:path'
import type { JobStore } from '../../ports.ts'
import { makeFolder } from '../files.ts'
import { lockExclusively } from '../lock.ts'
import { createChunkStore } from './chunks.ts'
import { createClientStore } from './clients.ts'
import { openDatabase } from './database.ts'
import { createDownloadStore } from './downloads.ts'

/** Jobs, clients and received ranges in one SQLite file at `path`, held exclusively until close; its folder is made. */
export async function openSqliteJobs({ path }: { path: string }): Promise<JobStore> {
  await makeFolder(dirname(resolve(path)))
  // What a start repairs is repaired once: two servers on one database would take each other's work apart.
  const unlock = lockExclusively(`${path}.lock`, path)
  const db = openDatabase(path)
  return {
    ...createClientStore({ db }),
    ...createDownloadStore({ db }),
    ...createChunkStore({ db }),
    async close() {
      db.close()
      unlock()
    },
  }
}
