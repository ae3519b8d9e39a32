import { join } from 'node:path'
import { openDiskBytes } from '../../server/stores/disk/index.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { byteStoreContract } from './bytes.ts'

byteStoreContract('disk', async () => {
  const { folder, remove } = await temporaryFolder()
  return { open: () => openDiskBytes({ folder: join(folder, 'deep', 'downloads') }), remove }
})
