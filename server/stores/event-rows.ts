import type { ErrorCode } from '../../shared/errors.ts'
import type { EventType } from '../../shared/events.ts'
import type { Status } from '../../shared/protocol.ts'
import type { EventRecord, Position } from '../event-ports.ts'
import { numberOrNull, textOrNull, toBoolean, type Row } from './rows.ts'

/** Who may hear of an event is said by the path of its download. */
export const EVENTS =
  'SELECT *, (SELECT path FROM downloads WHERE downloads.id = events.download_id) AS path FROM events'

export function toEvent(row: Row, position: Position): EventRecord {
  return {
    position,
    seq: Number(row['seq']),
    at: Number(row['at']),
    type: String(row['type']) as EventType,
    clientId: String(row['client_id']),
    downloadId: textOrNull(row['download_id']),
    path: textOrNull(row['path']),
    attempt: numberOrNull(row['attempt']),
    status: textOrNull(row['status']) as Status | null,
    bytesReceived: numberOrNull(row['bytes_received']),
    bytesResent: numberOrNull(row['bytes_resent']),
    reason: textOrNull(row['reason']) as ErrorCode | null,
    size: numberOrNull(row['size']),
    sha256: textOrNull(row['sha256']),
    version: textOrNull(row['version']),
    replaced: row['replaced'] === null ? null : toBoolean(row['replaced']),
  }
}
