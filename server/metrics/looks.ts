import { Gauge, type Registry } from 'prom-client'
import type { ByteStore } from '../byte-ports.ts'
import type { Presence } from '../domain/presence.ts'
import { answered } from '../domain/ready.ts'
import type { Updates } from '../domain/updates.ts'
import type { Clock, Connections, JobStore } from '../ports.ts'
import type { WebhookStore } from '../webhook-ports.ts'

/** Prometheus waits for 10 s by itself; in ms. */
const ANSWER_WITHIN = 5_000

export interface Sources {
  jobs: JobStore
  bytes: ByteStore
  presence: Presence
  updates: Updates
  webhooks: Pick<WebhookStore, 'count'>
  clock: Clock
  /** Where there is a pool. */
  connections?: (() => Connections) | undefined
}

/** Something that is looked at, and what shows it. */
interface Look {
  name: string
  gauges: Gauge[]
  read(): void | Promise<void>
}

/**
 * What is looked at whenever Prometheus asks: everything at once, within 5 s. What cannot be read is left out, and said
 * to be: a database that is away must not hide the rest.
 */
export function createLooks(registry: Registry, sources: Sources): () => Promise<void> {
  const registers = [registry]
  // The pool is looked at before it is used for the others.
  const looks = [database, sites, clients, downloads, webhooks, store].map((make) => make(registers, sources))
  const success = new Gauge({
    name: 'backhaul_look_success',
    help: 'Whether what this scrape looked at could be read: 1 or 0.',
    labelNames: ['look'],
    registers,
  })

  const look = async ({ name, gauges, read }: Look): Promise<void> => {
    try {
      await answered(Promise.resolve().then(read), ANSWER_WITHIN)
      success.set({ look: name }, 1)
    } catch {
      // Told by the metric; whoever needs the store for more than a figure logs why.
      success.set({ look: name }, 0)
      for (const gauge of gauges) forget(gauge)
    }
  }

  return async () => void (await Promise.all(looks.map(look)))
}

/** So that what was true at the last scrape is not told again. */
function forget(gauge: Gauge): void {
  gauge.reset()
  // One without labels would be 0.
  gauge.remove({})
}

type Make = (registers: Registry[], sources: Sources) => Look

const sites: Make = (registers, { presence }) => {
  const online = new Gauge({ name: 'backhaul_agents_online', help: 'Agents online.', registers })
  const polls = new Gauge({ name: 'backhaul_polls_open', help: 'Polls held.', registers })
  return {
    name: 'sites',
    gauges: [online, polls],
    read() {
      online.set(presence.onlineCount())
      polls.set(presence.openPolls())
    },
  }
}

const clients: Make = (registers, { updates }) => {
  const outdated = new Gauge({
    name: 'backhaul_clients_outdated',
    help: 'Clients whose agent is older than the release of this server.',
    registers,
  })
  return {
    name: 'clients',
    gauges: [outdated],
    read: async () => outdated.set(await updates.countOutdated()),
  }
}

const downloads: Make = (registers, { jobs, clock }) => {
  const open = new Gauge({
    name: 'backhaul_downloads_open',
    help: 'Downloads that have not ended, by status.',
    labelNames: ['status'],
    registers,
  })
  const oldest = new Gauge({
    name: 'backhaul_downloads_oldest_seconds',
    help: 'How long ago the oldest of the downloads that have not ended was asked for, by status; 0 where there is none.',
    labelNames: ['status'],
    registers,
  })
  return {
    name: 'downloads',
    gauges: [open, oldest],
    async read() {
      const now = clock.now()
      for (const { status, count, oldestAt } of await jobs.countOpen()) {
        open.set({ status }, count)
        oldest.set({ status }, Math.max(0, now - (oldestAt ?? now)) / 1000)
      }
    },
  }
}

const webhooks: Make = (registers, sources) => {
  const waiting = new Gauge({
    name: 'backhaul_webhook_deliveries_waiting',
    help: 'Webhooks that are to be sent, for the first time or again, by any server.',
    registers,
  })
  return {
    name: 'webhooks',
    gauges: [waiting],
    read: async () => waiting.set(await sources.webhooks.count()),
  }
}

const database: Make = (registers, { jobs, connections }) => {
  const answer = new Gauge({
    name: 'backhaul_database_answer_seconds',
    help: 'How long the database took for the least question.',
    registers,
  })
  const pool = new Gauge({
    name: 'backhaul_database_connections',
    help: 'Connections to PostgreSQL, used and idle, and calls that wait for one.',
    labelNames: ['state'],
    registers,
  })
  return {
    name: 'database',
    gauges: [answer],
    async read() {
      for (const [state, count] of Object.entries(connections?.() ?? {})) pool.set({ state }, count)
      const askedAt = performance.now()
      await jobs.findDownload('')
      answer.set((performance.now() - askedAt) / 1000)
    },
  }
}

const store: Make = (registers, { bytes }) => {
  const free = new Gauge({
    name: 'backhaul_store_free_bytes',
    help: 'Room on the disk of the store; absent where it is no disk.',
    registers,
  })
  return {
    name: 'store',
    gauges: [free],
    async read() {
      const room = await bytes.freeBytes()
      if (Number.isFinite(room)) free.set(room)
      else forget(free)
    },
  }
}
