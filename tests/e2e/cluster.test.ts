import { expect, test } from '@jest/globals'
import { sharedStores } from '../helpers/shared-stores.ts'
test('x', async () => {
  const s = await sharedStores()
  expect(await s.keys()).toEqual([])
  await s.remove()
})
