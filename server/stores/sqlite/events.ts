import type { EventStore, Position } from '../../event-ports.ts'
import { EVENTS, toEvent } from '../event-rows.ts'
import type { Database, Row } from './database.ts'
import type { Wal } from './wal.ts'

/** What happened, in the order of its numbers: of two transactions the later one has the greater. A position is `epoch.seq`. */
export function createEventStore({ db, wal }: { db: Database; wal: Pick<Wal, 'settled'> }): EventStore {
  const look = (): { epoch: number; forgotten: number; newest: number } => {
    const row = db.one('SELECT epoch, forgotten, (SELECT max(seq) FROM events) AS newest FROM event_log')
    const forgotten = Number(row?.['forgotten'])
    return { epoch: Number(row?.['epoch']), forgotten, newest: Math.max(forgotten, Number(row?.['newest'])) }
  }

  return {
    async newest() {
      // What a power failure takes back, another event would get the number of.
      await wal.settled()
      const { epoch, newest } = look()
      return `${epoch}.${newest}`
    },

    async after(position, limit) {
      const log = look()
      const seq = seqOf(position, log)
      if (seq === undefined) return undefined
      const rows = db.all(`${EVENTS} WHERE seq > :seq ORDER BY seq LIMIT :limit`, { seq, limit })
      if (rows.length > 0) await wal.settled()
      return rows.map((row) => toEvent(row, positionOf(log.epoch, row)))
    },

    async ofDownload(id, { after, limit }) {
      const { epoch } = look()
      const sql = `${EVENTS} WHERE download_id = :id AND seq > :after ORDER BY seq LIMIT :limit`
      return db.all(sql, { id, after, limit }).map((row) => toEvent(row, positionOf(epoch, row)))
    },

    async forget(before, limit) {
      return db.transaction(() => {
        const gone = db.all(
          'DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < :before ORDER BY at LIMIT :limit) RETURNING seq',
          { before, limit },
        )
        const last = gone.reduce((most, row) => Math.max(most, Number(row['seq'])), 0)
        if (last > 0) db.run('UPDATE event_log SET forgotten = max(forgotten, :last)', { last })
        return gone.length
      })
    },
  }
}

const positionOf = (epoch: number, row: Row): Position => `${epoch}.${String(row['seq'])}`

/** @returns undefined for a position of which it is not known what came after it */
function seqOf(
  position: Position,
  { epoch, forgotten, newest }: { epoch: number; forgotten: number; newest: number },
): number | undefined {
  const [, ofEpoch, text] = /^(\d{1,15})\.(\d{1,15})$/.exec(position) ?? []
  const seq = Number(text)
  return Number(ofEpoch) === epoch && seq >= forgotten && seq <= newest ? seq : undefined
}
