import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { JobStore } from '../../ports.ts'
import { lockExclusively } from '../lock.ts'
import { createChunkStore } from './chunks.ts'
import { createClientStore } from './clients.ts'
import { openDatabase } from './database.ts'
import { createDownloadStore } from './downloads.ts'

/** Jobs, clients and received ranges in one SQLite file at `path`, held exclusively until close; its folder is made. */
export function openSqliteJobs({ path }: { path: string }): JobStore {
  mkdirSync(dirname(path), { recursive: true })
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
