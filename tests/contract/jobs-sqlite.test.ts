import { join } from 'node:path'
import { openSqliteJobs } from '../../server/stores/sqlite/index.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { jobStoreContract } from './jobs.ts'

jobStoreContract('sqlite', async () => {
  const { folder, remove } = await temporaryFolder()
  return { open: async () => openSqliteJobs({ path: join(folder, 'deep', 'jobs.db') }), remove }
})
