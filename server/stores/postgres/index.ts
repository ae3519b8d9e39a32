import type { AccessStore, MakeLimiter } from '../../access-ports.ts'
import type { EventStore } from '../../event-ports.ts'
import type { Connections, JobStore, Leases, WakeBus } from '../../ports.ts'
import type { WebhookStore } from '../../webhook-ports.ts'
import type { Report } from '../open.ts'
import { createAccessStore } from './access.ts'
import { openDatabase, type Database } from './database.ts'
import { createEventStore, mendEvents } from './events.ts'
import { createJobStore } from './jobs.ts'
import { openLeases } from './leases.ts'
import { createMakeLimiter } from './limiter.ts'
import { checkNotMoving } from './moves.ts'
import { openWakes } from './wakes.ts'
import { createWebhookStore } from './webhooks.ts'

/**
 * Opens the database at `url`, which any number of servers share, and makes or updates its tables. `jobs.close` closes it,
 * after `wakes` and `leases`.
 * @throws NewerDatabaseError; Error while a move into it is not finished; AppError `store-busy` where it cannot be reached
 */
export async function openPostgres({ url, report }: { url: string; report: Report }): Promise<{
  jobs: JobStore
  access: AccessStore
  events: EventStore
  webhooks: WebhookStore
  wakes: WakeBus
  leases: Leases
  makeLimiter: MakeLimiter
  connections: () => Connections
}> {
  const db = await openDatabase({ url })
  try {
    await checkNotMoving(db)
    await mendEvents(db)
    const wakes = await openWakes({ url, db, report })
    return {
      jobs: createJobStore({ db }),
      access: createAccessStore({ db }),
      events: createEventStore({ db }),
      webhooks: createWebhookStore({ db }),
      wakes,
      leases: openLeases({ db, report }),
      makeLimiter: createMakeLimiter({ db }),
      connections: () => connectionsOf(db.pool),
    }
  } catch (error) {
    await db.close()
    throw error
  }
}

function connectionsOf({ totalCount, idleCount, waitingCount }: Database['pool']): Connections {
  return { used: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
}
