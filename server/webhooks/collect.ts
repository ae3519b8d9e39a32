import type { EventType } from '../../shared/events.ts'
import type { EventRecord, EventStore } from '../event-ports.ts'
import type { Present } from '../http/present.ts'
import type { Clock, JobStore } from '../ports.ts'
import type { NewDelivery, WebhookStore } from '../webhook-ports.ts'
import { messageOfEvent } from './message.ts'
import { TRIED_FOR } from './schedule.ts'
import type { Endpoint } from './settings.ts'

/** Events that are looked at in one step. */
const PAGE = 100
/** What waits for one endpoint; the oldest go where there is more. */
const MOST_WAITING = 100_000

export interface CollectDeps {
  events: EventStore
  webhooks: WebhookStore
  jobs: Pick<JobStore, 'findDownload'>
  present: Pick<Present, 'download'>
  clock: Clock
  types: ReadonlySet<EventType>
}

/** What became of one look into the log of events. */
export interface Collected {
  /** Whether there may be more of it. */
  more: boolean
  /** The endpoint is new: it is told of what happens from now on. */
  begun: boolean
  /** What happened between is not known, since the log was replaced, or has forgotten it. */
  lost: boolean
  /** How many of the oldest had to go. */
  dropped: number
}

/** Takes what has happened out of the log, for one endpoint; a new one begins now. */
export async function collect({ key }: Endpoint, deps: CollectDeps): Promise<Collected> {
  const { events, webhooks, clock, types } = deps
  const nothing = { more: false, begun: false, lost: false, dropped: 0 }
  const from = await webhooks.position(key)
  if (from === undefined) {
    await webhooks.begin(key, await events.newest())
    return { ...nothing, begun: true }
  }
  const page = await events.after(from, PAGE)
  if (!page) {
    await webhooks.move(key, { from, to: await events.newest(), deliveries: [] })
    return { ...nothing, lost: true }
  }
  const last = page.at(-1)
  if (!last) return nothing
  // One that was away from the settings is not told what is as old as what is given up.
  const wanted = page.filter(({ type, at }) => types.has(type) && at > clock.now() - TRIED_FOR)
  const deliveries: NewDelivery[] = []
  for (const event of wanted) deliveries.push(await deliveryOf(event, deps))
  await webhooks.move(key, { from, to: last.position, deliveries })
  const dropped = deliveries.length > 0 ? await webhooks.dropOldest(key, MOST_WAITING) : 0
  return { ...nothing, more: page.length === PAGE, dropped }
}

async function deliveryOf(event: EventRecord, { jobs, present }: CollectDeps): Promise<NewDelivery> {
  const download = event.downloadId === null ? undefined : await jobs.findDownload(event.downloadId)
  return { event: event.position, at: event.at, body: messageOfEvent(event, download, present) }
}
