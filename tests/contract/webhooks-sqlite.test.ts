import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { openSqlite } from '../../server/stores/sqlite/index.ts'
import { beginAnew } from '../../server/stores/sqlite/restored.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { webhookStoreContract } from './webhooks.ts'

const place = async () => {
  const { folder, remove } = await temporaryFolder()
  const path = join(folder, 'jobs.db')
  const open = async () => {
    const { webhooks, jobs } = await openSqlite({ path })
    return { webhooks, close: jobs.close }
  }
  return { path, open, remove }
}

webhookStoreContract('sqlite', place)

test('a restored database has nothing to be sent, and its endpoints are new', async () => {
  const { path, open, remove } = await place()
  const before = await open()
  await before.webhooks.begin('a', '0')
  await before.webhooks.move('a', { from: '0', to: '1', deliveries: [{ event: '1', at: 7, body: '{}' }] })
  await before.close()
  beginAnew(path)
  const { webhooks, close } = await open()
  expect([await webhooks.position('a'), await webhooks.count()]).toEqual([undefined, 0])
  await close()
  await remove()
})
