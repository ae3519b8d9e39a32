import { describe, expect, test } from '@jest/globals'
import { readConfig } from '../../server/config.ts'

const shared = { DATABASE_URL: 'postgres://db/backhaul', STORAGE_URL: 's3://files/x' }

test.each(['"postgres://a:a-password@db/b"', 'postgres//a:a-password@db/b', 'postgres//db/b?password=a-password'])(
  'a mistaken address of a database does not tell its password: %s',
  (url) => {
    let said = ''
    try {
      readConfig({ ...shared, DATABASE_URL: url })
    } catch (error) {
      said = String(error)
    }
    expect(said).toContain('DATABASE_URL must read')
    expect(said).not.toContain('a-password')
  },
)

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
