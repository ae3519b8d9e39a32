import { Gauge, type Registry } from 'prom-client'
import type { Presence } from '../domain/presence.ts'
import type { Updates } from '../domain/updates.ts'
import type { JobStore } from '../ports.ts'

export interface Sources {
  jobs: JobStore
  presence: Presence
  updates: Updates
}

/** What is looked up whenever Prometheus asks. */
export function lookAt(registry: Registry, { jobs, presence, updates }: Sources): void {
  const registers = [registry]
  void new Gauge({
    name: 'backhaul_agents_online',
    help: 'Agents online.',
    registers,
    collect() {
      this.set(presence.onlineCount())
    },
  })
  void new Gauge({
    name: 'backhaul_clients_outdated',
    help: 'Clients whose agent is older than the release of this server.',
    registers,
    async collect() {
      this.set(await updates.countOutdated())
    },
  })
  void new Gauge({
    name: 'backhaul_polls_open',
    help: 'Polls held.',
    registers,
    collect() {
      this.set(presence.openPolls())
    },
  })
  void new Gauge({
    name: 'backhaul_downloads_open',
    help: 'Downloads that have not ended, by status.',
    labelNames: ['status'],
    registers,
    async collect() {
      for (const { status, count } of await jobs.countOpen()) this.set({ status }, count)
    },
  })
}
