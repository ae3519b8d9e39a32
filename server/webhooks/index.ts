import type { Log } from '../../shared/log.ts'
import type { EventStore } from '../event-ports.ts'
import type { Present } from '../http/present.ts'
import type { Clock, JobStore, Leases } from '../ports.ts'
import type { WebhookStore } from '../webhook-ports.ts'
import type { Outcome } from './deliver.ts'
import { createEndpoint } from './endpoint.ts'
import { createPost } from './post.ts'
import type { WebhookSettings } from './settings.ts'

export interface Webhooks {
  /** Sends what is due; to be called from time to time. Returns before it is sent. */
  step(): Promise<void>
  /** Cuts off what is under way, which is sent again at the next start. */
  stop(): Promise<void>
}

export interface WebhookDeps {
  settings: WebhookSettings
  events: EventStore
  webhooks: WebhookStore
  jobs: Pick<JobStore, 'findDownload'>
  leases: Leases
  present: Pick<Present, 'download'>
  clock: Clock
  log: Log
  /** The server's. */
  version: string
  count: (outcome: Outcome, deliveries?: number) => void
}

const LEASE = 'webhooks'

/** Tells endpoints what happens, from the log of events: one server for all of them. */
export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { settings, webhooks, leases, version } = deps
  const stopping = new AbortController()
  const posts = settings.endpoints.map((endpoint) => createPost(endpoint, `backhaul/${version}`))
  const each = settings.endpoints.map((endpoint, number) =>
    createEndpoint({
      ...deps,
      ...settings,
      endpoint,
      post: posts[number]!,
      signal: stopping.signal,
      isMine: () => leases.hold(LEASE),
      certain: leases.certain,
    }),
  )
  let wasMine = false

  return {
    async step() {
      if (stopping.signal.aborted) return
      const isMine = await leases.hold(LEASE)
      if (stopping.signal.aborted) return
      if (isMine && !wasMine) await webhooks.keepOnly(settings.endpoints.map(({ key }) => key))
      wasMine = isMine
      if (isMine) for (const endpoint of each) endpoint.go()
    },
    async stop() {
      stopping.abort()
      await Promise.all(each.map((endpoint) => endpoint.idle()))
      for (const post of posts) post.close()
    },
  }
}
