import type { ErrorCode } from '../../shared/errors.ts'
import type { Policy, Status } from '../../shared/protocol.ts'
import type { Chunk, ClientRecord, DownloadRecord } from '../ports.ts'

/** A row as a database gives it: of SQLite's, true is 1. */
export type Row = Readonly<Record<string, unknown>>

export const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
export const toBoolean = (value: unknown): boolean => value === true || value === 1
export const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null)

/** Of a column with JSON; null for none. */
export const fromJson = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : null)

export function toClient(row: Row): ClientRecord {
  return {
    id: String(row['id']),
    session: textOrNull(row['session']),
    sessionAt: numberOrNull(row['session_at']),
    rev: Number(row['rev']),
    agent: fromJson(row['agent']) as ClientRecord['agent'],
    shared: JSON.parse(String(row['shared'])),
    labels: JSON.parse(String(row['labels'])),
    lastSeen: Number(row['last_seen']),
    conflicts: {
      count: Number(row['conflicts']),
      lastAt: numberOrNull(row['conflict_at']),
      lastHostname: textOrNull(row['conflict_hostname']),
    },
    update: fromJson(row['update_order']) as ClientRecord['update'],
  }
}

export function toDownload(row: Row): DownloadRecord {
  return {
    seq: Number(row['seq']),
    id: String(row['id']),
    clientId: String(row['client_id']),
    kind: String(row['kind']),
    path: textOrNull(row['path']),
    priority: Number(row['priority']),
    policy: String(row['policy']) as Policy,
    note: textOrNull(row['note']),
    batchId: textOrNull(row['batch_id']),
    askedBy: textOrNull(row['asked_by']),
    naming: row['naming'] === 'timestamped' ? 'timestamped' : 'plain',
    status: String(row['status']) as Status,
    reason: textOrNull(row['reason']) as ErrorCode | null,
    detail: textOrNull(row['detail']),
    attempt: Number(row['attempt']),
    source: textOrNull(row['source']),
    whole: toBoolean(row['whole']),
    size: numberOrNull(row['size']),
    bytesReceived: Number(row['bytes_received']),
    bytesResent: Number(row['bytes_resent']),
    mismatches: Number(row['mismatches']),
    sha256: textOrNull(row['sha256']),
    verified: toBoolean(row['verified']),
    name: textOrNull(row['name']),
    sourcePath: textOrNull(row['source_path']),
    sourceModified: numberOrNull(row['source_modified']),
    createdAt: Number(row['created_at']),
    startedAt: numberOrNull(row['started_at']),
    completedAt: numberOrNull(row['completed_at']),
    expiresIn: Number(row['expires_in']),
    expiresAt: Number(row['expires_at']),
    removedAt: numberOrNull(row['removed_at']),
  }
}

export function toCount<S extends Status>(status: S, row: Row | undefined) {
  return { status, count: Number(row?.['count'] ?? 0), oldestAt: numberOrNull(row?.['oldest'] ?? null) }
}

export function toChunk(row: Row): Chunk {
  return {
    start: Number(row['start']),
    end: Number(row['end']),
    digest: String(row['digest']),
    tag: String(row['tag']),
  }
}

/** `sizeKnown` as `size_known`. */
function columnOf(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** The SET list and its parameters for a partial record. Property names come from our types, never from a user. */
export function assignments(set: Partial<DownloadRecord>): {
  sql: string
  parameters: Record<string, string | number | boolean | null>
} {
  const given = Object.entries(set).filter(([, value]) => value !== undefined)
  return {
    sql: given.map(([property]) => `${columnOf(property)} = :set_${property}`).join(', '),
    parameters: Object.fromEntries(given.map(([property, value]) => [`set_${property}`, value])),
  }
}
