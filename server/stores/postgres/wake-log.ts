import type { Database } from './database.ts'

/** Whom the database has shown to this server: all that a snapshot saw, and when, in epoch ms of its clock. */
export interface Position {
  snapshot: string
  at: number
}

export interface WakeLog {
  /** Wakes what has changed since the turn before. */
  turn(client: Asking): Promise<void>
}

interface Asking {
  query(sql: string, values: unknown[]): Promise<{ rows: Record<string, unknown>[]; rowCount: number | null }>
}

/** How long rows are kept, in seconds, and how long a server can have been away to find all that it has missed, in ms. */
const KEPT = 120
const MISSED_AT_MOST = 60_000
/** Of more topics than these at once, all who wait are woken. */
const MOST_TOPICS = 10_000
const PRUNE_EVERY = 30_000
const PRUNED_AT_ONCE = 10_000

const NOW = `pg_current_snapshot()::text AS snapshot, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS at`

/**
 * What the snapshot of now sees and that of the turn before did not: numbers alone would not do, as transactions do not
 * commit in the order of their numbers. One that is under way holds nothing up.
 */
const TURN = `
  SELECT ${NOW}, pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax($1::pg_snapshot) AS older, ARRAY(
    SELECT DISTINCT topic FROM wakes
    WHERE xid >= pg_snapshot_xmin($1::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot) LIMIT $2
  ) AS topics`

const PRUNE = `
  DELETE FROM wakes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM wakes WHERE at < now() - $1 * interval '1 second' ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
  ))`

/** @throws AppError `store-busy` */
export async function readFirst(db: Database): Promise<Position> {
  const row = await db.one(`SELECT ${NOW}`)
  return { snapshot: String(row?.['snapshot']), at: Number(row?.['at']) }
}

/** Reads the log of changes that the database keeps, from one position on. @param deps.pruneEvery in ms */
export function keepWakeLog({
  from,
  wake,
  wakeAll,
  pruneEvery = PRUNE_EVERY,
}: {
  from: Position
  wake(topics: readonly string[]): void
  /** Nobody knows what was missed. */
  wakeAll(): void
  pruneEvery?: number
}): WakeLog {
  let last = from
  // Servers that start together do not all prune at once.
  let pruneAt = performance.now() + Math.random() * pruneEvery

  return {
    async turn(client) {
      const { rows } = await client.query(TURN, [last.snapshot, MOST_TOPICS + 1])
      const [row] = rows
      const topics = row?.['topics'] as string[]
      const now = { snapshot: String(row?.['snapshot']), at: Number(row?.['at']) }
      // A database that was restored counts from an earlier number on.
      const missed = now.at - last.at > MISSED_AT_MOST || row?.['older'] === true || topics.length > MOST_TOPICS
      last = now
      if (missed) wakeAll()
      else wake(topics)
      if (performance.now() < pruneAt) return
      pruneAt = performance.now() + pruneEvery
      const { rowCount } = await client.query(PRUNE, [KEPT, PRUNED_AT_ONCE])
      // There are more: they must not come faster than they go.
      if ((rowCount ?? 0) >= PRUNED_AT_ONCE) pruneAt = -Infinity
    },
  }
}
