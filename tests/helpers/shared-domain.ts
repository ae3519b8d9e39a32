import type { Domain } from '../../server/domain/index.ts'
import { openStores, type Stores } from '../../server/stores/open.ts'
import { domainOver } from './domain.ts'
import { databaseUrl } from './postgres.ts'
import { expected } from './reports.ts'
import { s3Place, type S3Place } from './s3.ts'

/** A server's domain over stores that it shares with others, without HTTP and without timers. */
export interface SharedDomain {
  domain: Domain
  stores: Stores
  /** Errors of work that no caller waits for. */
  reported: unknown[]
}

export interface SharedDomains {
  place: S3Place
  /** @param way to the database and the bucket, where it is one of its own; `change` puts something before its stores */
  open(way?: { url?: string; endpoint?: string; change?: (stores: Stores) => Partial<Stores> }): Promise<SharedDomain>
  /** The database's own URL. */
  url: string
  close(): Promise<void>
}

/** A fresh database and an empty place in the bucket, for any number of servers in this process. */
export async function sharedDomains(): Promise<SharedDomains> {
  const url = await databaseUrl()
  const place = s3Place()
  const opened: SharedDomain[] = []
  return {
    place,
    url,
    async open({ change, ...way } = {}) {
      const database = { kind: 'postgres', url: way.url ?? url } as const
      const storage = { ...place, endpoint: way.endpoint ?? place.endpoint }
      const real = await openStores({ database, storage }, expected)
      const stores = { ...real, ...change?.(real) }
      const { domain, reported } = await domainOver(stores, 'release')
      opened.push({ domain, stores, reported })
      return { domain, stores, reported }
    },
    async close() {
      for (const { domain, stores } of opened) {
        domain.waiting.stop()
        await stores.close()
      }
      await place.remove()
    },
  }
}
