import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { WakeBus } from '../../ports.ts'
import { createLocalWakes, type LocalWakes } from '../wake-local.ts'
import type { Report } from '../open.ts'
import type { Database } from './database.ts'
import { listen } from './listen.ts'
import { keepWakeLog, readFirst } from './wake-log.ts'

/** How long a wake for a download can be lost, in ms: of these the log holds nothing. */
const LOST_FOR = 2000
/** Wakes of so many ms go out together. */
const TOGETHER = 5
/** PostgreSQL takes payloads of less than 8,000 bytes. */
const MOST_BYTES = 7900
const CHANNEL = 'backhaul'
/** All who wait are woken so many at a time, with a pause in ms: each of them asks the database. */
const AT_A_TIME = 200
const PAUSE_BETWEEN = 50

/**
 * Wakes of all servers on one database. Those of this server are heard at once, those of others by NOTIFY; what gets lost
 * on its way is made good by a log of changes that each server reads once a second.
 * @throws AppError `store-busy`
 */
export async function openWakes({ url, db, report }: { url: string; db: Database; report: Report }): Promise<WakeBus> {
  const me = randomUUID()
  const local = createLocalWakes()
  const ending = new AbortController()
  const sender = createSender({ db, me, report })

  const log = keepWakeLog({
    // Before anybody subscribes: whatever changes from now on is seen.
    from: await readFirst(db),
    wake: local.wake,
    wakeAll: () => void wakeSlowly(local, ending.signal),
  })
  const hear = (payload: string): void => {
    const [from, ...topics] = payload.split('\n')
    if (from !== me) local.wake(topics)
  }
  const broke = (error: unknown): void => report(error, 'wakes of other servers are not heard now; it is tried again')
  const listening = listen({ url, channel: CHANNEL, hear, turn: log.turn, broke, signal: ending.signal })

  return {
    lostFor: LOST_FOR,
    wake(topics) {
      local.wake(topics)
      if (!ending.signal.aborted) sender.add(topics)
    },
    subscribe: local.subscribe,
    async close() {
      ending.abort()
      await sender.sent()
      await listening
    },
  }
}

/** Sends what was added, soon and together; one statement at a time. */
function createSender({ db, me, report }: { db: Database; me: string; report: Report }) {
  const waiting = new Set<string>()
  let sending: Promise<void> | undefined

  const send = async (): Promise<void> => {
    while (waiting.size > 0) {
      await delay(TOGETHER)
      const payloads = packed(me, waiting)
      waiting.clear()
      try {
        // Nothing is lost with a notification, so no disk is waited for.
        await db.query(
          `SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, payload)
           FROM unnest(:payloads::text[]) AS payload`,
          { channel: CHANNEL, payloads },
        )
      } catch (error) {
        // Nothing is lost by it: the log says it, and whoever waits reads again.
        report(error, 'other servers were not woken, and find out within seconds')
      }
    }
    sending = undefined
  }

  return {
    add(topics: readonly string[]): void {
      for (const topic of topics) waiting.add(topic)
      if (waiting.size > 0) sending ??= send()
    },
    sent: async (): Promise<void> => sending,
  }
}

/** Lines of topics after one of who sends them, none longer than a notification may be. */
export function packed(from: string, topics: Iterable<string>): string[] {
  const payloads: string[] = []
  let payload = from
  for (const topic of topics) {
    if (Buffer.byteLength(payload) + Buffer.byteLength(topic) + 1 > MOST_BYTES) {
      payloads.push(payload)
      payload = from
    }
    payload += `\n${topic}`
  }
  return [...payloads, payload]
}

async function wakeSlowly(local: LocalWakes, signal: AbortSignal): Promise<void> {
  const topics = local.topics()
  for (let at = 0; at < topics.length && !signal.aborted; at += AT_A_TIME) {
    local.wake(topics.slice(at, at + AT_A_TIME))
    await delay(PAUSE_BETWEEN)
  }
}
