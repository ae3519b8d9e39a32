import { pause } from '../../shared/wait.ts'
import type { ClientFilter, ClientRecord, Clock, JobStore } from '../ports.ts'

/** A client that let three waits pass is offline. */
const MISSED_WAITS = 3
/** So many are written down in one transaction, which takes about 1 ms: nobody is to wait for thousands of rows. */
const ROWS_PER_BATCH = 500
/** Of several servers, each writes down once a minute who was there: who was not for three times that is offline, in ms. */
const WRITTEN_WITHIN = 180_000
/** A client whose poll was cut comes back within this time, in ms, or is offline. */
const RECONNECT_GRACE = 5_000

interface Entry {
  openPolls: number
  /** Epoch ms, to be shown and written down. */
  seenAt: number
  /** The same moment on the clock that never goes back, in ms. */
  heardAt: number
  waitMs: number
  /** When its last poll was cut from its side, with no word since. */
  lostAt: number | undefined
  written: boolean
  /** What its row tells at least, in epoch ms. */
  writtenAt: number
}

export interface Presence {
  /** Notes that a client has called. */
  contact(clientId: string): void
  /** Notes a poll that asked for a wait of so many ms. */
  polled(clientId: string, waitMs: number): void
  /**
   * Notes a held poll.
   * @returns to be called at its end, saying whether it was cut from the client's side
   */
  pollOpened(clientId: string, waitMs: number): (cut: boolean) => void
  /** Notes that an answer did not reach the client. */
  lost(clientId: string): void
  isOnline(client: Pick<ClientRecord, 'id' | 'lastSeen'>): boolean
  /** When the client last called: epoch ms. */
  lastSeen(client: Pick<ClientRecord, 'id' | 'lastSeen'>): number
  /** Those that have called this server. */
  onlineCount(): number
  /** Whose row tells of no time after this one, in epoch ms, is not online by its row. */
  seenSince(): number
  /** Which rows to look at for all who are online, as `isOnline` has it: there are others among them. */
  rowsOfOnline(): NonNullable<ClientFilter['seen']>
  /** How many are online, as `isOnline` has it. @param seen those whose rows tell of a time after `seenSince` */
  countOnline(seen: readonly string[]): number
  /** Polls held at this moment. */
  openPolls(): number
  /** How many were here within the last minutes: at least those online, and told without looking at each of them. */
  aboutOnline(): number
  /** Writes down, in batches, who was seen since the last time. */
  flush(): Promise<void>
}

/** Who is there: an open poll, or a call not long ago. Kept in memory, written down in batches. */
export function createPresence({
  jobs,
  clock,
  waitMs,
  elsewhere,
}: {
  jobs: JobStore
  clock: Clock
  waitMs: number
  /** Whether a client may be at another server, of which its row alone tells. */
  elsewhere: boolean
}): Presence {
  const entries = new Map<string, Entry>()
  let openPolls = 0

  const entryOf = (clientId: string): Entry => {
    let entry = entries.get(clientId)
    if (!entry) {
      entry = { openPolls: 0, seenAt: 0, heardAt: 0, waitMs, lostAt: undefined, written: false, writtenAt: 0 }
      entries.set(clientId, entry)
    }
    return entry
  }

  const hear = (entry: Entry): void => {
    entry.seenAt = clock.now()
    entry.heardAt = clock.monotonic()
  }

  const contact = (clientId: string): Entry => {
    const entry = entryOf(clientId)
    hear(entry)
    entry.lostAt = undefined
    entry.written = false
    return entry
  }

  const polled = (clientId: string, pollWaitMs: number): Entry => {
    const entry = contact(clientId)
    entry.waitMs = Math.max(pollWaitMs, 1000)
    return entry
  }

  const lost = (clientId: string): void => {
    const entry = entries.get(clientId)
    if (entry?.openPolls === 0) entry.lostAt = clock.monotonic()
  }

  const alive = (entry: Entry): boolean => {
    if (entry.openPolls > 0) return true
    if (entry.lostAt !== undefined && clock.monotonic() - entry.lostAt > RECONNECT_GRACE) return false
    return clock.monotonic() - entry.heardAt < MISSED_WAITS * entry.waitMs
  }

  const seenSince = (): number => clock.now() - (elsewhere ? WRITTEN_WITHIN : MISSED_WAITS * waitMs)

  /** By what was written down, which is never of this moment. */
  const isByRow = (id: string): boolean => elsewhere || !entries.has(id)

  const isHere = (id: string): boolean => {
    const entry = entries.get(id)
    return entry !== undefined && alive(entry)
  }

  const onlineCount = (): number => [...entries.values()].filter(alive).length

  const write = async (batch: readonly [string, Entry][]): Promise<void> => {
    for (const [, entry] of batch) entry.written = true
    const contacts = batch.map(([clientId, entry]) => ({ clientId, at: entry.seenAt }))
    try {
      await jobs.recordContacts(contacts)
      for (const [index, [, entry]] of batch.entries()) entry.writtenAt = contacts[index]!.at
    } catch (error) {
      for (const [, entry] of batch) entry.written = false
      throw error
    }
  }

  return {
    contact: (clientId) => void contact(clientId),
    polled: (clientId, pollWaitMs) => void polled(clientId, pollWaitMs),

    pollOpened(clientId, pollWaitMs) {
      const entry = polled(clientId, pollWaitMs)
      entry.openPolls += 1
      openPolls += 1
      return (cut) => {
        entry.openPolls -= 1
        openPolls -= 1
        if (cut) lost(clientId)
        else hear(entry)
      }
    },

    lost,

    isOnline(client) {
      return isHere(client.id) || (isByRow(client.id) && client.lastSeen > seenSince())
    },

    lastSeen: (client) => Math.max(entries.get(client.id)?.seenAt ?? 0, client.lastSeen),
    onlineCount,
    seenSince,
    rowsOfOnline() {
      const after = seenSince()
      // Few: those whose rows were not written since they came.
      const unwritten = [...entries].filter(([, entry]) => entry.writtenAt <= after && alive(entry))
      return { after, orIds: unwritten.map(([id]) => id) }
    },
    countOnline: (seen) => onlineCount() + seen.filter((id) => !isHere(id) && isByRow(id)).length,
    openPolls: () => openPolls,
    aboutOnline: () => entries.size,

    async flush() {
      const unwritten = [...entries].filter(([, entry]) => !entry.written)
      for (let from = 0; from < unwritten.length; from += ROWS_PER_BATCH) {
        await write(unwritten.slice(from, from + ROWS_PER_BATCH))
        // Requests come first.
        await pause(0)
      }
      for (const [clientId, entry] of entries) {
        if (entry.written && clock.monotonic() - entry.heardAt >= MISSED_WAITS * entry.waitMs && entry.openPolls === 0)
          entries.delete(clientId)
      }
    },
  }
}
