import type { EventStore, Position } from '../../event-ports.ts'
import { EVENTS, toEvent } from '../event-rows.ts'
import type { Row } from '../rows.ts'
import type { Database, Queries } from './database.ts'

/** What a transaction that has yet to end may have written is none of it: nothing comes before what is told. */
const TOLD = 'xid < pg_snapshot_xmin(pg_current_snapshot())'
/** No transaction has this number yet. */
const FUTURE = '>= pg_snapshot_xmax(pg_current_snapshot())'
const MENDED_AT_ONCE = 50_000

/**
 * What happened. Transactions do not end in the order of the events' numbers, so these are read in the order of the
 * transactions' own numbers, and only up to the oldest that is under way: one that takes long delays what came after it,
 * and loses nothing. A position is `xid-seq`.
 */
export function createEventStore({ db }: { db: Database }): EventStore {
  const isKnown = async ({ xid, seq }: Place): Promise<boolean> => {
    const row = await db.one(
      `SELECT (forgotten_xid, forgotten_seq) <= (:xid::xid8, :seq::bigint) AND NOT :xid::xid8 ${FUTURE} AS known FROM event_log`,
      { xid, seq },
    )
    return row?.['known'] === true
  }

  return {
    async newest() {
      const row = await db.one(
        `SELECT xid, seq FROM (
           (SELECT xid, seq FROM events WHERE ${TOLD} ORDER BY xid DESC, seq DESC LIMIT 1)
           UNION ALL SELECT forgotten_xid, forgotten_seq FROM event_log
         ) AS ends ORDER BY xid DESC, seq DESC LIMIT 1`,
      )
      return positionOf(row ?? {})
    },

    async after(position, limit) {
      const place = placeOf(position)
      if (!place) return undefined
      const rows = await db.query(
        `${EVENTS} WHERE (xid, seq) > (:xid::xid8, :seq::bigint) AND ${TOLD} ORDER BY xid, seq LIMIT :limit`,
        { ...place, limit },
      )
      // Looked at afterwards: what is forgotten in between is not taken for what never was.
      if (!(await isKnown(place))) return undefined
      return rows.map((row) => toEvent(row, positionOf(row)))
    },

    // Those of one download come one after the other: each change holds its row.
    async ofDownload(id, { after, limit }) {
      const rows = await db.query(`${EVENTS} WHERE download_id = :id AND seq > :after ORDER BY seq LIMIT :limit`, {
        id,
        after,
        limit,
      })
      return rows.map((row) => toEvent(row, positionOf(row)))
    },

    async forget(before, limit) {
      const row = await db.one(
        `WITH gone AS (
           DELETE FROM events WHERE seq = ANY (ARRAY(
             SELECT seq FROM events WHERE at < :before ORDER BY at LIMIT :limit FOR UPDATE SKIP LOCKED
           )) RETURNING xid, seq),
         last AS (SELECT xid, seq FROM gone ORDER BY xid DESC, seq DESC LIMIT 1),
         noted AS (
           UPDATE event_log SET forgotten_xid = last.xid, forgotten_seq = last.seq FROM last
           WHERE (forgotten_xid, forgotten_seq) < (last.xid, last.seq))
         SELECT count(*) AS count FROM gone`,
        { before, limit },
      )
      return Number(row?.['count'])
    },
  }
}

/**
 * A dump that was put into another PostgreSQL has events of transactions that are yet to come there: they become the oldest,
 * and whoever has read some of them begins anew.
 */
export async function mendEvents(db: Database): Promise<void> {
  const found = await db.one(`SELECT EXISTS (SELECT FROM events WHERE xid ${FUTURE}) AS strange`)
  if (found?.['strange'] === true) await db.transaction(mendAll)
}

async function mendAll(tx: Queries): Promise<void> {
  const mend = `UPDATE events SET xid = '0' WHERE seq = ANY (ARRAY(SELECT seq FROM events WHERE xid ${FUTURE} LIMIT :limit))`
  while ((await tx.run(mend, { limit: MENDED_AT_ONCE })) > 0);
  await tx.run('UPDATE event_log SET forgotten_xid = pg_current_xact_id(), forgotten_seq = 0')
}

/** Events that came from another kind of database have kept their numbers: who is told of them goes on behind the same one. */
export async function adoptPositions(tx: Queries): Promise<void> {
  await tx.run(
    `UPDATE webhooks SET position = coalesce(
       (SELECT xid::text || '-' || seq FROM events WHERE seq <= split_part(position, '.', 2)::bigint ORDER BY seq DESC LIMIT 1),
       (SELECT forgotten_xid::text || '-' || forgotten_seq FROM event_log))
     WHERE position LIKE '%.%'`,
  )
}

interface Place {
  xid: string
  seq: number
}

const positionOf = (row: Row): Position => `${String(row['xid'])}-${String(row['seq'])}`

function placeOf(position: Position): Place | undefined {
  const [, xid, seq] = /^(\d{1,18})-(\d{1,15})$/.exec(position) ?? []
  return xid === undefined ? undefined : { xid, seq: Number(seq) }
}
