import type { Event } from '../../shared/events.ts'
import type { EventRecord } from '../event-ports.ts'

/** An event as callers see it: without the path, which says who may. */
export function presentEvent(record: EventRecord): Event {
  const { position, type, at, clientId, downloadId, attempt, status, reason, size, bytesReceived } = record
  const { bytesResent, sha256, version, replaced } = record
  return {
    id: position,
    type,
    at: new Date(at).toISOString(),
    clientId,
    downloadId,
    attempt,
    status,
    reason,
    size,
    bytesReceived,
    bytesResent,
    sha256,
    version,
    replaced,
  }
}
