import type { Range } from '../../shared/ranges.ts'
import type { ByteStore } from '../byte-ports.ts'
import type { EventStore } from '../event-ports.ts'
import type {
  ClientFilter,
  ClientRecord,
  Clock,
  DownloadFilter,
  DownloadRecord,
  JobStore,
  Leases,
  Observer,
  WakeBus,
} from '../ports.ts'
import type { ReleaseStore } from '../update-ports.ts'
import { createAnnounced } from './announced.ts'
import { createAttempts, type Attempts } from './attempts.ts'
import { createChunks } from './chunks.ts'
import { createCompletion, type Completion } from './completion.ts'
import { createContents, type Contents } from './content.ts'
import { createDirect, type Direct } from './direct.ts'
import { createDownloads, type Downloads } from './downloads.ts'
import { createEvents, type Events } from './events.ts'
import { createLand } from './landing.ts'
import { createLater } from './later.ts'
import { createMaps, type Maps } from './maps.ts'
import type { Principal } from './access/principal.ts'
import { createOverview, type Counts } from './overview.ts'
import { createPolls, type Polls } from './polls.ts'
import { createPresence, type Presence } from './presence.ts'
import { checkStores } from './ready.ts'
import { createReservations } from './reservations.ts'
import { createResent } from './resent.ts'
import { createRoom } from './room.ts'
import { createSessions, type Sessions } from './sessions.ts'
import { createSweeper, type Sweeper } from './sweeper.ts'
import { bytesTopic, downloadTopic } from './topics.ts'
import { createUploads, type Uploads } from './uploads.ts'
import { createUpdates, type Updates } from './updates.ts'
import { createVerifier } from './verifier.ts'
import { createWaiting, type WaitOptions, type Waiting } from './waiting.ts'
import { createWholeUploads, type WholeUploads } from './whole.ts'

/** Everything that the server does, without HTTP and without SQL. */
export interface Domain {
  presence: Presence
  sessions: Sessions
  polls: Polls
  downloads: Downloads
  attempts: Attempts
  uploads: Uploads
  /** Where agents put chunks into the store themselves. */
  direct: Direct | undefined
  whole: WholeUploads
  completion: Completion
  contents: Contents
  sweeper: Sweeper
  updates: Updates
  events: Events
  waiting: Waiting
  maps: Maps
  /** May be of a moment ago. */
  /** Of what the caller may see. */
  overview(caller: Principal): Promise<Counts>
  findClient(id: string): Promise<ClientRecord | undefined>
  listClients(filter: ClientFilter): Promise<ClientRecord[]>
  listDownloads(filter: DownloadFilter): Promise<DownloadRecord[]>
  received(download: DownloadRecord): Promise<Range[]>
  /** The download once `news` holds of it, or as it is at the end of the wait. */
  waitForChange(id: string, news: (download: DownloadRecord) => boolean, wait: WaitOptions): Promise<DownloadRecord>
  /** @throws when a store does not answer soon */
  checkReady(): Promise<void>
}

export interface DomainDeps {
  jobs: JobStore
  events: EventStore
  bytes: ByteStore
  releases: ReleaseStore
  wakes: WakeBus
  leases: Leases
  /** Whether other servers use the stores at the same time. */
  shared: boolean
  observer: Observer
  clock: Clock
  /** Whether agents may send their chunks straight to the store by now. */
  mayGoDirect: () => boolean
  /** How long an agent's poll is held, in ms. */
  pollWaitMs: number
  /** What the files of one client may take up, in bytes; undefined for as much as there is. */
  clientQuota: number | undefined
  /** How long finished files are kept, in ms; undefined for ever. */
  retention: number | undefined
  /** Hears of failures of work that no caller waits for, and what that means. */
  report: (error: unknown, what: string, id?: string) => void
}

export function createDomain(given: DomainDeps): Domain {
  const waiting = createWaiting(given)
  const events = createEvents({ ...given, waiting })
  const deps = { ...given, observer: tellingOf(given.observer, events) }
  const { jobs, bytes, leases, clock, shared } = deps
  const presence = createPresence({ jobs, clock, waitMs: deps.pollWaitMs, elsewhere: shared })
  const downloads = createDownloads(deps)
  const room = createRoom({ jobs, bytes, downloads, quota: deps.clientQuota })
  const announced = createAnnounced()
  const attempts = createAttempts({ ...deps, downloads, room, announced })
  const later = createLater(deps)
  const verifier = createVerifier({ ...deps, downloads, attempts })
  const completion = createCompletion({ jobs, downloads, verifier, waiting, clock })
  const reservations = createReservations()
  const resent = createResent({ jobs })
  const chunks = createChunks({ ...deps, attempts, later, verifier, presence, reservations, resent })
  const land = createLand({ ...deps, chunks, completion, announced })
  const direct = bytes.direct && createDirect({ jobs, chunks, land, resent, clock, store: bytes.direct })
  const whole = createWholeUploads({ jobs, downloads, attempts, chunks, completion, later, leases })

  return {
    waiting,
    presence,
    downloads,
    attempts,
    completion,
    uploads: createUploads({ jobs, chunks, land, resent }),
    get direct() {
      return deps.mayGoDirect() ? direct : undefined
    },
    sessions: createSessions({ ...deps, presence }),
    polls: createPolls({ jobs, presence, waiting, clock }),
    whole,
    contents: createContents({ jobs, bytes, downloads, presence, waiting }),
    sweeper: createSweeper({ ...deps, downloads, attempts, verifier, later, whole }),
    updates: createUpdates(deps),
    events,
    maps: createMaps({ jobs, reservations, resent }),
    overview: createOverview({ jobs, presence, clock }),
    findClient: jobs.findClient,
    listClients: jobs.listClients,
    listDownloads: jobs.listDownloads,
    received: ({ id, attempt }) => jobs.received(id, attempt),

    async waitForChange(id, news, wait) {
      const read = async (): Promise<DownloadRecord | undefined> => {
        const download = await downloads.find(id)
        return news(download) ? download : undefined
      }
      return (await waiting.until([downloadTopic(id), bytesTopic(id)], read, wait)) ?? downloads.find(id)
    },

    checkReady: () => checkStores({ jobs, bytes }),
  }
}

/** Who listens to events hears at once of what this server has changed. */
function tellingOf(observer: Observer, events: Events): Observer {
  return {
    ...observer,
    changed(download) {
      observer.changed(download)
      events.changed()
    },
  }
}
