import { join } from 'node:path'
import { createDomain, type Domain } from '../../server/domain/index.ts'
import { openReleases, openStores, type Stores } from '../../server/stores/open.ts'
import { unexpected } from './reports.ts'

/** The server's domain over its real stores, in a folder, without HTTP. */
export interface OpenDomain {
  domain: Domain
  stores: Stores
  /** Errors of work that no caller waits for. */
  reported: unknown[]
  close(): Promise<void>
}

/** Opens the stores in `folder`, with what lies there, and repairs it as the server does at its start. */
export async function openDomain(folder: string): Promise<OpenDomain> {
  const stores = await openStores(
    {
      database: { kind: 'sqlite', path: join(folder, 'backhaul.db') },
      storage: { kind: 'file', folder: join(folder, 'downloads') },
    },
    unexpected,
  )
  const { domain, reported } = await domainOver(stores, join(folder, 'release'))
  await domain.sweeper.recover()
  return {
    domain,
    stores,
    reported,
    async close() {
      domain.waiting.stop()
      await stores.bytes.close()
      await stores.jobs.close()
    },
  }
}

/** A domain with short waits. @param release the folder of what sites install */
export async function domainOver(stores: Stores, release: string): Promise<{ domain: Domain; reported: unknown[] }> {
  const reported: unknown[] = []
  const domain = createDomain({
    ...stores,
    releases: await openReleases(release),
    observer: { changed: () => undefined, begun: () => undefined, progress: () => undefined, updated: () => undefined },
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    pollWaitMs: 1000,
    clientQuota: undefined,
    retention: undefined,
    mayGoDirect: () => false,
    report: (error) => void reported.push(error),
  })
  return { domain, reported }
}
