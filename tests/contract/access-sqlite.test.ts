import { join } from 'node:path'
import { openSqlite } from '../../server/stores/sqlite/index.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { accessStoreContract } from './access.ts'

accessStoreContract('sqlite', async () => {
  const { folder, remove } = await temporaryFolder()
  const { access, jobs } = await openSqlite({ path: join(folder, 'jobs.db') })
  return {
    store: access,
    async remove() {
      await jobs.close()
      await remove()
    },
  }
})
