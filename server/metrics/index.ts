import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Observer } from '../ports.ts'
import { countDownloads } from './downloads.ts'
import { lookAt, type Sources } from './looks.ts'

export interface Metrics extends Observer {
  contentType: string
  /** The metrics as Prometheus reads them. */
  text(): Promise<string>
  /** Shows who is there; to be called once. */
  watch(sources: Sources): void
}

/** Counts what happens. Labels are of few values: never an id or a path. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return {
    ...countDownloads(registry),
    contentType: registry.contentType,
    text: () => registry.metrics(),
    watch: (sources) => lookAt(registry, sources),
  }
}
