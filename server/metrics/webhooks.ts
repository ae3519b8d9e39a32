import { Counter, type Registry } from 'prom-client'

const outcomes = ['delivered', 'retried', 'given-up'] as const

export interface WebhookMetrics {
  /** So many deliveries came to this end, one if it is not said. */
  delivery(outcome: (typeof outcomes)[number], deliveries?: number): void
}

/** What becomes of webhooks. */
export function countWebhooks(registry: Registry): WebhookMetrics {
  const deliveries = new Counter({
    name: 'backhaul_webhook_deliveries_total',
    help: 'Webhooks that this server has sent, by what became of it.',
    labelNames: ['outcome'],
    registers: [registry],
  })
  // What appears with its first event has not risen by it, to Prometheus.
  for (const outcome of outcomes) deliveries.inc({ outcome }, 0)
  return { delivery: (outcome, count = 1) => deliveries.inc({ outcome }, count) }
}
