import type { ErrorCode } from '../shared/errors.ts'
import type { EventType } from '../shared/events.ts'
import type { Status } from '../shared/protocol.ts'

/** Where a reader of the log stands. What it holds is the store's own business; every event has another. */
export type Position = string

/** What has happened to a download, or to a client, at one moment. */
export interface EventRecord {
  position: Position
  /** Rises with each event of one download. */
  seq: number
  /** Epoch ms, by the database's clock. */
  at: number
  type: EventType
  clientId: string
  /** The next six are of a download's events, and null of a client's. */
  downloadId: string | null
  /** The download's path now, which says who may hear of it; nobody is told. */
  path: string | null
  attempt: number | null
  status: Status | null
  bytesReceived: number | null
  bytesResent: number | null
  reason: ErrorCode | null
  size: number | null
  /** Of a completed one. */
  sha256: string | null
  /** Of a session: the agent's version, and whether there was a session before. */
  version: string | null
  replaced: boolean | null
}

/**
 * What happened, in the order in which it became visible. The database writes it down itself, in the transaction of the
 * change: nothing happens without its event, and no event tells of what was rolled back.
 */
export interface EventStore {
  /** Where a reader stands who has read everything so far. */
  newest(): Promise<Position>
  /**
   * At most `limit` events after a position, oldest first.
   * @returns undefined where it cannot be known what came after it: that is forgotten, or the position is of another life of
   * the database, from before it was restored or moved
   */
  after(position: Position, limit: number): Promise<EventRecord[] | undefined>
  /** The events of one download, oldest first. @param page.after only those with a greater `seq` */
  ofDownload(id: string, page: { after: number; limit: number }): Promise<EventRecord[]>
  /** Forgets events from before a time in epoch ms, so many at most. @returns how many */
  forget(before: number, limit: number): Promise<number>
}
