import { describe, expect, test } from '@jest/globals'
import { readConfig } from '../../server/config.ts'

const shared = { DATABASE_URL: 'postgres://db/backhaul', STORAGE_URL: 's3://files/x' }

describe('direct uploads in the configuration of the server', () => {
  test('are off, and on where the store can be reached by agents', () => {
    expect(readConfig({}).directUploads).toBe(false)
    expect(readConfig(shared).directUploads).toBe(false)
    expect(readConfig({ ...shared, DIRECT_UPLOADS: 'on' }).directUploads).toBe(true)
  })

  test('are refused where it is a folder', () => {
    expect(() => readConfig({ DIRECT_UPLOADS: 'on' })).toThrow(
      'DIRECT_UPLOADS needs a store that agents can reach themselves: STORAGE_URL=s3://BUCKET/PREFIX',
    )
    expect(() => readConfig({ ...shared, DIRECT_UPLOADS: 'yes' })).toThrow('DIRECT_UPLOADS must be')
  })
})
