import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Observer } from '../ports.ts'
import { countCalls, type CallMetrics } from './calls.ts'
import { countDownloads } from './downloads.ts'
import { createLooks, type Sources } from './looks.ts'
import { countWebhooks, type WebhookMetrics } from './webhooks.ts'

export interface Metrics extends Observer, CallMetrics, WebhookMetrics {
  contentType: string
  /** The metrics as Prometheus reads them. */
  text(): Promise<string>
  /** Shows how things are, beside what has happened; to be called once. */
  watch(sources: Sources): void
}

/** Counts what happens, and looks how things are. Labels are of few values: never an id or a path. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  let look = async (): Promise<void> => undefined
  return {
    ...countDownloads(registry),
    ...countCalls(registry),
    ...countWebhooks(registry),
    contentType: registry.contentType,
    async text() {
      await look()
      return registry.metrics()
    },
    watch(sources) {
      look = createLooks(registry, sources)
    },
  }
}
