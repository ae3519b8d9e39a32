import { dirname, resolve } from 'node:path'
import type { AccessStore } from '../../access-ports.ts'
import type { EventStore } from '../../event-ports.ts'
import type { JobStore } from '../../ports.ts'
import type { WebhookStore } from '../../webhook-ports.ts'
import { makeFolder } from '../../../shared/folder.ts'
import { lockForServer } from '../lock.ts'
import { createAccessStore } from './access.ts'
import { createChunkStore } from './chunks.ts'
import { createClientStore } from './clients.ts'
import { openDatabase } from './database.ts'
import { createDownloadStore } from './downloads.ts'
import { createEventStore } from './events.ts'
import { createDownloadLists } from './lists.ts'
import { checkNotMoved } from './moved.ts'
import { checkRestored, databaseLock } from './restored.ts'
import { createUpdateStore } from './updates.ts'
import { openWal } from './wal.ts'
import { createWebhookStore } from './webhooks.ts'

type Durably = <A extends unknown[], T>(change: (...args: A) => Promise<T>) => (...args: A) => Promise<T>

/** Jobs, clients, received ranges and access in one SQLite file at `path`, held exclusively until close; its folder is made. */
export async function openSqlite({ path }: { path: string }): Promise<{
  jobs: JobStore
  access: AccessStore
  events: EventStore
  webhooks: WebhookStore
}> {
  await makeFolder(dirname(resolve(path)))
  // What a start repairs is repaired once: two servers on one database would take each other's work apart.
  const unlock = lockForServer(databaseLock(path), path)
  checkRestored(path)
  checkNotMoved(path)
  const db = openDatabase(path)
  const wal = await openWal({ path: `${path}-wal`, db })

  /** A call that changes something returns when that, and what it saw, is durable. */
  const durably: Durably =
    (change) =>
    async (...args) => {
      await wal.usable()
      const result = await change(...args)
      await wal.settled()
      return result
    }

  const clients = createClientStore({ db })
  const updates = createUpdateStore({ db })
  const downloads = createDownloadStore({ db })
  const chunks = createChunkStore({ db, wal })
  const jobs: JobStore = {
    ...clients,
    recordContacts: durably(clients.recordContacts),
    recordConflict: durably(clients.recordConflict),
    beginSession: durably(clients.beginSession),
    ...updates,
    changeUpdate: durably(updates.changeUpdate),
    ...downloads,
    ...createDownloadLists({ db }),
    createDownloads: durably(downloads.createDownloads),
    transition: durably(downloads.transition),
    addResent: durably(downloads.addResent),
    forgetIdempotencyKeys: durably(downloads.forgetIdempotencyKeys),
    ...chunks,
    forgetChunks: durably(chunks.forgetChunks),
    async close() {
      await wal.close()
      db.close()
      unlock()
    },
  }
  const events = createEventStore({ db, wal })
  const webhooks = createWebhookStore({ db })
  return {
    jobs,
    access: durable(createAccessStore({ db }), durably),
    events: { ...events, forget: durably(events.forget) },
    webhooks: {
      ...webhooks,
      begin: durably(webhooks.begin),
      move: durably(webhooks.move),
      postpone: durably(webhooks.postpone),
      remove: durably(webhooks.remove),
      dropOldest: durably(webhooks.dropOldest),
      keepOnly: durably(webhooks.keepOnly),
    },
  }
}

/** What only reads sees what is durable already, or what is about to be: nobody is refused for it. */
function durable(store: AccessStore, durably: Durably): AccessStore {
  return {
    ...store,
    addToken: durably(store.addToken),
    revokeToken: durably(store.revokeToken),
    addEnrolment: durably(store.addEnrolment),
    revokeEnrolment: durably(store.revokeEnrolment),
    enrol: durably(store.enrol),
    replaceToken: durably(store.replaceToken),
    addNextCredential: durably(store.addNextCredential),
    revokeClient: durably(store.revokeClient),
    proveCredential: durably(store.proveCredential),
    revokeCredential: durably(store.revokeCredential),
    addSessionToken: durably(store.addSessionToken),
    secret: durably(store.secret),
    appendAudit: durably(store.appendAudit),
  }
}
