import type { Context } from 'koa'
import type { Batch, Client, Download, Update } from '../../shared/operator.ts'
import { PROTOCOL, type Job } from '../../shared/protocol.ts'
import { baseName } from '../domain/names.ts'
import type { Presence } from '../domain/presence.ts'
import type { Release } from '../domain/updates.ts'
import type { ByteStore } from '../byte-ports.ts'
import type { ClientRecord, DownloadRecord } from '../ports.ts'
import type { UpdateRecord } from '../update-ports.ts'

/** Records as callers see them. */
export interface Present {
  download(download: DownloadRecord): Download
  batch(batchId: string, downloads: DownloadRecord[]): Batch
  /** @param release what a client's agent is compared with */
  client(client: ClientRecord, release: Release): Client
  job(download: DownloadRecord): Job
}

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString())

export function createPresent({ bytes, presence }: { bytes: ByteStore; presence: Presence }): Present {
  const download = (record: DownloadRecord): Download => ({
    id: record.id,
    requestId: record.id,
    clientId: record.clientId,
    kind: record.kind,
    path: record.path,
    fileName: baseName(record.path ?? record.sourcePath ?? '') || null,
    status: record.status,
    reason: record.reason,
    detail: record.detail,
    priority: record.priority,
    policy: record.policy,
    note: record.note,
    batchId: record.batchId,
    askedBy: record.askedBy,
    attempt: record.attempt,
    size: record.size,
    bytesReceived: record.bytesReceived,
    bytesResent: record.bytesResent,
    progress: percentOf(record),
    verified: record.verified,
    sha256: record.status === 'completed' ? record.sha256 : null,
    filePath:
      record.status === 'completed' && record.name !== null && record.removedAt === null
        ? bytes.location(record.name)
        : null,
    sourcePath: record.sourcePath,
    sourceModifiedAt: iso(record.sourceModified),
    createdAt: new Date(record.createdAt).toISOString(),
    startedAt: iso(record.startedAt),
    completedAt: iso(record.completedAt),
    expiresAt: new Date(record.expiresAt).toISOString(),
  })

  return {
    download,
    batch: (batchId, records) => ({ batchId, count: records.length, downloads: records.map(download) }),

    client(record, release) {
      const lastSeen = iso(presence.lastSeen(record))
      const { agent } = record
      return {
        id: record.id,
        status: presence.isOnline(record) ? 'online' : 'offline',
        connectedAt: iso(record.sessionAt),
        lastSeen,
        lastHeartbeat: lastSeen,
        agent: agent && { version: agent.version, platform: agent.platform, hostname: agent.hostname },
        version: agent?.version ?? null,
        outdated: release.isOutdated(agent),
        updates: agent?.updates ?? false,
        update: record.update && presentUpdate(record.update),
        shared: record.shared,
        labels: record.labels,
        conflicts: { ...record.conflicts, lastAt: iso(record.conflicts.lastAt) },
      }
    },

    job: (record) => ({
      id: record.id,
      protocol: PROTOCOL,
      kind: record.kind,
      path: record.path,
      policy: record.policy,
      askedBy: record.askedBy,
      priority: record.priority,
      status: record.status,
      attempt: record.attempt,
    }),
  }
}

function presentUpdate({ id, version, state, detail, orderedAt, changedAt }: UpdateRecord): Update {
  const [ordered, changed] = [new Date(orderedAt), new Date(changedAt)]
  return { id, version, state, detail, orderedAt: ordered.toISOString(), changedAt: changed.toISOString() }
}

function percentOf({ size, bytesReceived, status }: DownloadRecord): number | null {
  if (size === null) return null
  if (size === 0) return status === 'completed' ? 100 : 0
  return Math.floor((bytesReceived / size) * 100)
}

/** One that is still being verified is asked for again. */
export function answerDownload(ctx: Context, present: Present, download: DownloadRecord): void {
  if (download.status === 'verifying') {
    ctx.status = 202
    ctx.set('Retry-After', '1')
  }
  ctx.body = present.download(download)
}
