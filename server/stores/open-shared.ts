import type { Report, SharedAddresses, Stores } from './open.ts'
import { openPostgres } from './postgres/index.ts'
import { openS3Bytes } from './s3/index.ts'

/** PostgreSQL and an S3 object store, which any number of servers share. */
export async function openShared({ database, storage }: SharedAddresses, report: Report): Promise<Stores> {
  const opened = await openPostgres({ url: database.url, report })
  try {
    // Two databases would take each other's objects for leftovers: the first one to come marks the place as its own.
    const owner = (await opened.access.secret('storage')).toString('hex').slice(0, 32)
    const bytes = await openS3Bytes({ ...storage, owner })
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
