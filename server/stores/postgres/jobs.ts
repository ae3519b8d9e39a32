import type { JobStore } from '../../ports.ts'
import { createChunkStore } from './chunks.ts'
import { createClientStore } from './clients.ts'
import { createDownloadCreation } from './creating.ts'
import type { Database } from './database.ts'
import { createDownloadStore } from './downloads.ts'
import { createDownloadLists } from './lists.ts'
import { createUpdateStore } from './updates.ts'

/** Jobs, clients and received ranges in PostgreSQL; closing it closes the database. */
export function createJobStore({ db }: { db: Database }): JobStore {
  return {
    ...createClientStore({ db }),
    ...createUpdateStore({ db }),
    ...createDownloadCreation({ db }),
    ...createDownloadStore({ db }),
    ...createDownloadLists({ db }),
    ...createChunkStore({ db }),
    close: () => db.close(),
  }
}
