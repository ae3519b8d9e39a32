import type { SharedAddresses } from '../stores/open.ts'

/** Where a move goes to, in words that anybody may read: what can hold a password is left out. */
export function placesOf({ database, storage }: SharedAddresses): { database: string; storage: string } {
  const { host, pathname, searchParams } = new URL(database.url)
  const shown = host === '' ? (searchParams.get('host') ?? '') : host
  return {
    database: `postgres://${shown}${pathname}`,
    storage: `s3://${storage.bucket}/${storage.prefix}`.replace(/\/$/, ''),
  }
}
