import type { JobStore } from '../../ports.ts'
import { createChunkStore } from './chunks.ts'
import { createClientStore } from './clients.ts'
import { openDatabase } from './database.ts'
import { createDownloadStore } from './downloads.ts'

/** Jobs, clients and received ranges in one SQLite file at `path`; its folder is made. */
export function openSqliteJobs({ path }: { path: string }): JobStore {
  const db = openDatabase(path)
  return {
    ...createClientStore({ db }),
    ...createDownloadStore({ db }),
    ...createChunkStore({ db }),
    close: async () => db.close(),
  }
}
