import type { AccessStore } from '../access-ports.ts'
import type { ByteStore } from '../byte-ports.ts'
import type { Report, SharedAddresses, Stores } from './open.ts'
import { openPostgres } from './postgres/index.ts'
import { openS3Bytes } from './s3/index.ts'

/** PostgreSQL and an S3 object store, which any number of servers share. */
export async function openShared({ database, storage }: SharedAddresses, report: Report): Promise<Stores> {
  const opened = await openPostgres({ url: database.url, report })
  try {
    const bytes = await openBytesOf(opened.access, storage)
    return {
      ...opened,
      bytes,
      shared: true,
      async close() {
        await bytes.close()
        await opened.wakes.close()
        await opened.leases.close()
        await opened.jobs.close()
      },
    }
  } catch (error) {
    await opened.wakes.close()
    await opened.leases.close()
    await opened.jobs.close()
    throw error
  }
}

/**
 * The place for the bytes of a database. Two databases would take each other's objects for leftovers: the first one to come
 * marks the place as its own.
 */
export async function openBytesOf(
  access: Pick<AccessStore, 'secret'>,
  storage: SharedAddresses['storage'],
): Promise<ByteStore> {
  const owner = (await access.secret('storage')).toString('hex').slice(0, 32)
  return openS3Bytes({ ...storage, owner })
}
