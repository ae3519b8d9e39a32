import { join } from 'node:path'
import { openSqlite } from '../../server/stores/sqlite/index.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { jobStoreChunksContract } from './jobs-chunks.ts'
import { jobStoreRoomContract } from './jobs-room.ts'
import { jobStoreUpdatesContract } from './jobs-updates.ts'
import { jobStoreContract } from './jobs.ts'

const place = async () => {
  const { folder, remove } = await temporaryFolder()
  return { open: async () => (await openSqlite({ path: join(folder, 'deep', 'jobs.db') })).jobs, remove }
}

jobStoreContract('sqlite', place)
jobStoreChunksContract('sqlite', place)
jobStoreRoomContract('sqlite', place)
jobStoreUpdatesContract('sqlite', place)
