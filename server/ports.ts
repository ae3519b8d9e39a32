import type { ChunkDigest, Sha256 } from '../shared/digest.ts'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import type { Policy, SessionRequest, Status } from '../shared/protocol.ts'
import type { Range } from '../shared/ranges.ts'
import type { UpdateRecord } from './update-ports.ts'

/** What the domain needs of the world. Times are epoch milliseconds, sizes bytes, ranges half-open. */

export interface ClientRecord {
  id: string
  /** `n.nonce` of the newest session, or null for a client that only polls with curl. */
  session: string | null
  sessionAt: number | null
  rev: number
  agent: SessionRequest['agent'] | null
  shared: string[]
  labels: Record<string, string>
  lastSeen: number
  conflicts: { count: number; lastAt: number | null; lastHostname: string | null }
  /** The newest order to become another version. */
  update: UpdateRecord | null
}

export interface DownloadRecord {
  /** Rising with creation; the cursor of lists. */
  seq: number
  id: string
  clientId: string
  kind: string
  /** As asked for; null is the client's default file. */
  path: string | null
  priority: number
  policy: Policy
  note: string | null
  batchId: string | null
  /** The name of the token that it was asked for with. */
  askedBy: string | null
  /** `plain` lands as `ID_name`, `timestamped` as `ID_TIMESTAMP_name`. */
  naming: 'plain' | 'timestamped'
  status: Status
  reason: ErrorCode | null
  detail: string | null
  /** The newest attempt's number, 0 before the first. */
  attempt: number
  /** The attempt's source version; null when there is no attempt to resume. */
  source: string | null
  /** The attempt comes in one request, and cannot be resumed. */
  whole: boolean
  size: number | null
  bytesReceived: number
  bytesResent: number
  /** How often the store's bytes did not have the announced SHA-256. */
  mismatches: number
  /** Announced by the agent at `complete`; the verified value once completed. */
  sha256: Sha256 | null
  verified: boolean
  /** The claimed final name; null again once the finished file was removed. */
  name: string | null
  sourcePath: string | null
  sourceModified: number | null
  createdAt: number
  startedAt: number | null
  completedAt: number | null
  /** How long it may take, from when it is queued until everything is there. */
  expiresIn: number
  expiresAt: number
  /** When the finished content was removed. */
  removedAt: number | null
}

/** One durable chunk: a row. What is received is the union of the rows of an attempt. */
export interface Chunk extends Range {
  digest: ChunkDigest
  /** Whatever the byte store needs to find the chunk again. */
  tag: string
}

export type DownloadDraft = Pick<
  DownloadRecord,
  | 'id'
  | 'clientId'
  | 'kind'
  | 'path'
  | 'priority'
  | 'policy'
  | 'note'
  | 'batchId'
  | 'askedBy'
  | 'naming'
  | 'createdAt'
  | 'expiresIn'
  | 'expiresAt'
>

export interface Idempotency {
  key: string
  /** A fingerprint of the request: the same key with another one is refused. */
  request: string
}

/** A conditional change of one download: nothing happens unless every condition holds. */
export interface Transition {
  id: string
  from: readonly Status[]
  attempt?: number
  /** The client's newest session must be this one. */
  session?: string | undefined
  /** Where `bytesReceived` is set, what it was counts as `bytesResent`: those bytes were sent in vain. */
  set: Partial<Omit<DownloadRecord, 'seq' | 'id' | 'clientId'>>
}

export interface ClientFilter {
  labels?: Readonly<Record<string, string>> | undefined
  /** A part of the id, in letters of any case. */
  search?: string | undefined
  /** Only clients that were written down as seen after a moment, in epoch ms, or have one of these ids. */
  seen?: { after: number; orIds: readonly string[] } | undefined
  /** Only clients whose id comes after this one. */
  after?: string | undefined
  /** All without it. */
  limit?: number | undefined
}

export interface DownloadFilter {
  clientId?: string | undefined
  status?: readonly Status[] | undefined
  batchId?: string | undefined
  note?: string | undefined
  path?: string | null | undefined
  labels?: Readonly<Record<string, string>> | undefined
  /** Only downloads with a smaller `seq`. */
  before?: number | undefined
  limit: number
}

/** What the rows say at the moment of a chunk's commit, under the transaction's lock. */
export interface CommitState {
  download: DownloadRecord | undefined
  session: string | null
  /** The rows that share a byte with the chunk. */
  overlapping: Chunk[]
}

/** Sees a client under lock, and gives its order; undefined to leave all as it is. Throws to refuse. */
export type UpdateChange = (client: ClientRecord) => UpdateRecord | null | undefined

/** A change that failed, as the connection to the database broke, and may have been made all the same. */
export class PerhapsDone extends AppError {}

/** A call that changes something returns once that is durable, and with it everything that it has seen. */
export interface JobStore {
  findClient(id: string): Promise<ClientRecord | undefined>
  /** By their ids, in the order of their characters' codes. */
  listClients(filter: ClientFilter): Promise<ClientRecord[]>
  /** How many clients are known, and the ids of those that were seen after a time in epoch ms. */
  clientsSeen(after: number): Promise<{ known: number; seen: string[] }>
  /** Records when clients were last seen; a client never seen before becomes known. */
  recordContacts(contacts: readonly { clientId: string; at: number }[]): Promise<void>
  recordConflict(conflict: { clientId: string; at: number; hostname: string }): Promise<void>
  /**
   * Makes a session the client's newest, raising its revision; the same instance gets its session again. An order for
   * the version that a new session is of is `installed` by that.
   * @param mayReplace sees the client as it is before another instance's session is replaced, and throws to refuse
   * @throws AppError `session-superseded` when the instance had a session that is not the newest any more
   */
  beginSession(request: SessionRequest, at: number, mayReplace: (current: ClientRecord) => void): Promise<ClientRecord>

  /** Changes a client's order, and raises its revision unless the new state is `fetching` or `fetched`. */
  changeUpdate(clientId: string, change: UpdateChange): Promise<ClientRecord | undefined>
  /** How many clients have which agent. */
  countAgents(): Promise<{ version: string; platform: string; count: number }[]>

  /**
   * Inserts all drafts, or none, and raises their clients' revisions. A key used before answers what it made then.
   * @throws AppError `idempotency-mismatch`
   */
  createDownloads(
    drafts: readonly DownloadDraft[],
    idempotency?: Idempotency,
  ): Promise<{ downloads: DownloadRecord[]; replayed: boolean }>
  findDownload(id: string): Promise<DownloadRecord | undefined>
  /** Newest first. */
  listDownloads(filter: DownloadFilter): Promise<DownloadRecord[]>
  /** The client with its first `limit` open jobs, read at one moment. */
  openJobs(clientId: string, limit: number): Promise<{ client: ClientRecord | undefined; jobs: DownloadRecord[] }>
  /**
   * Applies a transition and raises the client's revision when the status set is not `transferring`.
   * @returns the download as it is now, or undefined when a condition did not hold
   * @throws AppError `name-taken` when `set.name` was ever claimed by another download
   */
  transition(change: Transition): Promise<DownloadRecord | undefined>
  addResent(id: string, bytes: number): Promise<void>
  /** Ids of open downloads whose time is up. */
  expired(now: number, limit: number): Promise<string[]>
  /** Bytes that attempts under way, but those of one download, have yet to receive. */
  outstandingBytes(except?: string): Promise<number>
  /** What a client takes up, without one download: its finished files that are there, and the sizes of attempts under way. */
  usedBytes(clientId: string, except: string): Promise<number>
  /** Failed and expired downloads that keep their part for a retry, those that ended first at the front. */
  keptParts(limit: number): Promise<DownloadRecord[]>
  /** Attempts under way that come in one request each. */
  wholeUploads(limit: number): Promise<DownloadRecord[]>
  /** Ids of completed downloads whose file is to go: completed before a time, or removed by the row and not yet by the store. */
  contentToRemove(completedBefore: number, limit: number): Promise<string[]>
  /** How many downloads are queued, transferring and verifying, and when the oldest of each was asked for: epoch ms. */
  countOpen(): Promise<{ status: Status; count: number; oldestAt: number | null }[]>
  forgetIdempotencyKeys(before: number): Promise<void>

  /**
   * Inserts a chunk's row in one transaction with the check that allows it. `check` sees the rows under lock and
   * throws to refuse; the insertion counts towards `bytesReceived`. Chunks that come together share a transaction.
   * @returns the download with the chunk counted, or undefined for a replay
   */
  insertChunk(
    id: string,
    attempt: number,
    chunk: Chunk,
    check: (state: CommitState) => 'insert' | 'replay',
  ): Promise<DownloadRecord | undefined>
  overlappingChunks(id: string, attempt: number, range: Range): Promise<Chunk[]>
  /** At most `limit` rows from the one that holds `from` or follows it, by offset. */
  chunksFrom(id: string, attempt: number, from: number, limit: number): Promise<Chunk[]>
  /** The durable ranges of an attempt, joined. */
  received(id: string, attempt: number): Promise<Range[]>
  /** Drops the rows of an attempt that was discarded. */
  forgetChunks(id: string, attempt: number): Promise<void>
  close(): Promise<void>
}

/** A wake is only ever a hint: whoever waits reads the state again. */
export interface WakeBus {
  wake(topics: readonly string[]): void
  /**
   * How long a wake for a download can be lost, in ms, so that whoever waits for one reads again so often; undefined where
   * none is. One for a client, or for access, comes late at the worst: those who wait for them are too many to read.
   */
  readonly lostFor: number | undefined
  /** @returns a function that ends the subscription */
  subscribe(topic: string, listener: () => void): () => void
  close(): Promise<void>
}

/**
 * Work that one server at a time should do. A lease saves work, and nothing relies on it: a server that was cut off may go
 * on for a while, so every change is conditional all the same.
 */
export interface Leases {
  /** @returns whether this server has it now; it is kept until it is released, or this server is not heard of for a while */
  hold(name: string): Promise<boolean>
  release(name: string): Promise<void>
  /** Aborts once what this server holds by now may be another's, whether or not the database can be asked; then there is a new one. */
  certain(): AbortSignal
  /** Gives back all that is held. */
  close(): Promise<void>
}

/** A pool's connections, and how many calls wait for one. */
export interface Connections {
  used: number
  idle: number
  waiting: number
}

/** Hears of what happens to downloads and orders, for logs and progress bars; never decides anything. */
export interface Observer {
  changed(download: DownloadRecord): void
  /** The first attempt of a download has begun; told beside its change. */
  begun(download: DownloadRecord): void
  /** So many more bytes of a running download are durable. */
  progress(download: DownloadRecord, bytes: number): void
  /** A client's order was given, has moved on, or was taken back (null). */
  updated(clientId: string, update: UpdateRecord | null): void
}

export interface Clock {
  /** Epoch ms; it can jump. */
  now(): number
  /** ms since some moment; it never goes back. */
  monotonic(): number
}
