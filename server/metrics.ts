import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { finalUpdateStates } from '../shared/operator.ts'
import { finalStatuses } from '../shared/protocol.ts'
import type { DownloadRecord, JobStore, Observer } from './ports.ts'
import type { Presence } from './domain/presence.ts'
import type { Updates } from './domain/updates.ts'

export interface Metrics extends Observer {
  contentType: string
  /** The metrics as Prometheus reads them. */
  text(): Promise<string>
  /** Shows who is there; to be called once. */
  watch(sources: { jobs: JobStore; presence: Presence; updates: Updates }): void
}

/** Counts what happens. Labels are of few values: never an id or a path. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const ended = new Counter({
    name: 'backhaul_downloads_ended_total',
    help: 'Downloads that have ended since the server started, by their last status.',
    labelNames: ['status'],
    registers,
  })
  const received = new Counter({
    name: 'backhaul_bytes_completed_total',
    help: 'Bytes of completed downloads since the server started.',
    registers,
  })
  const resent = new Counter({
    name: 'backhaul_bytes_resent_total',
    help: 'Bytes of ended downloads that travelled more than once.',
    registers,
  })

  const updates = new Counter({
    name: 'backhaul_updates_ended_total',
    help: 'Orders to update an agent that have ended since the server started, by how.',
    labelNames: ['state'],
    registers,
  })

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),

    changed(download: DownloadRecord) {
      if (!finalStatuses.includes(download.status)) return
      ended.inc({ status: download.status })
      resent.inc(download.bytesResent)
      if (download.status === 'completed') received.inc(download.size ?? 0)
    },
    progress: () => undefined,
    updated(_clientId, update) {
      if (update && finalUpdateStates.includes(update.state)) updates.inc({ state: update.state })
    },

    watch({ jobs, presence, updates: orders }) {
      registry.registerMetric(
        new Gauge({
          name: 'backhaul_agents_online',
          help: 'Agents online.',
          registers: [],
          collect() {
            this.set(presence.onlineCount())
          },
        }),
      )
      registry.registerMetric(
        new Gauge({
          name: 'backhaul_clients_outdated',
          help: 'Clients whose agent is older than the release of this server.',
          registers: [],
          async collect() {
            this.set(await orders.countOutdated())
          },
        }),
      )
      registry.registerMetric(
        new Gauge({
          name: 'backhaul_polls_open',
          help: 'Polls held.',
          registers: [],
          collect() {
            this.set(presence.openPolls())
          },
        }),
      )
      registry.registerMetric(
        new Gauge({
          name: 'backhaul_downloads_open',
          help: 'Downloads that have not ended, by status.',
          labelNames: ['status'],
          registers: [],
          async collect() {
            for (const { status, count } of await jobs.countOpen()) this.set({ status }, count)
          },
        }),
      )
    },
  }
}
