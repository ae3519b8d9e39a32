import { AppError } from '../../shared/errors.ts'
import { pathSchema, unfinishedStatuses } from '../../shared/protocol.ts'
import type { ByteStore, Content } from '../byte-ports.ts'
import type { DownloadRecord, JobStore } from '../ports.ts'
import type { Downloads } from './downloads.ts'
import { createFollower } from './follower.ts'
import { unknownClient } from './guards.ts'
import type { Presence } from './presence.ts'
import { downloadTopic } from './topics.ts'
import type { Waiting } from './waiting.ts'

/** What an answer can be made of: a finished file, or one that is still arriving. */
export type Opened =
  | { kind: 'stored'; download: DownloadRecord; content: Content; close(): Promise<void> }
  | { kind: 'arriving'; download: DownloadRecord; bytes: AsyncGenerator<Uint8Array>; close(): Promise<void> }

export interface WaitFor {
  /** How long to wait for the transfer to begin, in ms. */
  beginMs: number
  /** Do not wait for a client that is offline. */
  onlineOnly?: boolean | undefined
  signal: AbortSignal
}

export interface Contents {
  /**
   * Opens a download's bytes, waiting for it to begin. Whoever opens closes.
   * @throws AppError `begin-timeout`, or the reason for which the download ended
   */
  open(id: string, wait: WaitFor): Promise<Opened>
  /**
   * The download that a client's file is served from: an open one of the same path, or a new one.
   * @throws AppError `client-unknown`, `client-offline`
   */
  request(clientId: string, path: string | null, askedBy: string | null): Promise<DownloadRecord>
  /**
   * A URL of the store itself, where it has such and the download is completed.
   * @param how told the path at the site
   * @throws AppError the reason for which the download ended
   */
  urlOf(id: string, how: (path: string) => { filename: string; seconds: number }): Promise<string | undefined>
  /** The newest download of the path that is open or completed. */
  existing(clientId: string, path: string | null): Promise<DownloadRecord | undefined>
}

/** How often to look whether a client that is waited for is still online, in ms. */
const LOOK_WHETHER_ONLINE = 1_000

export interface ContentDeps {
  jobs: JobStore
  bytes: ByteStore
  downloads: Downloads
  presence: Presence
  waiting: Waiting
}

/** Handing out content, as it arrives or afterwards. */
export function createContents(deps: ContentDeps): Contents {
  const { jobs, bytes, downloads, presence, waiting } = deps
  const follow = createFollower(deps)

  const begun = async (id: string, { beginMs, onlineOnly, signal }: WaitFor): Promise<DownloadRecord> => {
    const read = async (): Promise<DownloadRecord | undefined> => {
      const download = await downloads.find(id)
      return download.status === 'queued' ? undefined : download
    }
    const deadline = performance.now() + beginMs
    for (let left = beginMs; ; left = deadline - performance.now()) {
      const ms = Math.max(0, onlineOnly ? Math.min(left, LOOK_WHETHER_ONLINE) : left)
      const download = await waiting.until([downloadTopic(id)], read, { ms, signal })
      if (download) return download
      if (left <= 0 || signal.aborted) break
      if (onlineOnly) await checkOnline(id)
    }
    throw new AppError(
      'begin-timeout',
      `The agent did not begin in time. The download ${id} stays queued: GET /downloads/${id}, or DELETE it.`,
      { id },
    )
  }

  const checkOnline = async (id: string): Promise<void> => {
    const { clientId } = await downloads.find(id)
    const client = await jobs.findClient(clientId)
    if (!client || presence.isOnline(client)) return
    throw new AppError('client-offline', `${clientId} has gone offline. The download ${id} stays queued for it.`, {
      id,
    })
  }

  const findOpen = async (
    clientId: string,
    path: string | null,
    status: readonly DownloadRecord['status'][],
  ): Promise<DownloadRecord | undefined> => (await jobs.listDownloads({ clientId, path, status, limit: 1 }))[0]

  return {
    async open(id, wait) {
      // A part can be gone because it was completed or discarded since; the state then says which.
      for (let tries = 0; tries < 5; tries += 1) {
        const download = await begun(id, wait)
        checkUsable(download)
        if (download.status === 'completed') {
          const content = await bytes.openContent(download.name ?? '')
          return { kind: 'stored', download, content, close: content.close }
        }
        const reader = await bytes.openReader(download)
        if (!reader) continue
        return { kind: 'arriving', download, bytes: follow(download, reader, wait.signal), close: reader.close }
      }
      throw new AppError('content-broken', `The bytes of ${id} are not there; ask again.`, { id })
    },

    async request(clientId, path, askedBy) {
      const client = await jobs.findClient(clientId)
      if (!client) throw unknownClient(clientId)
      const online = presence.isOnline(client)
      const open = await findOpen(clientId, path, unfinishedStatuses)
      // What is under way is worth joining, even where nothing but the upload itself was heard of late.
      if (open && (online || open.status !== 'queued')) return open
      if (!online) {
        throw new AppError(
          'client-offline',
          `${clientId} is offline, last seen ${new Date(presence.lastSeen(client)).toISOString()}. POST /downloads queues for it.`,
        )
      }
      const asked = { clientId, path: path === null ? undefined : pathSchema.parse(path) }
      const [created] = await downloads.create(asked, { askedBy })
      return created!
    },

    async urlOf(id, how) {
      const download = await downloads.find(id)
      checkUsable(download)
      if (download.status !== 'completed' || download.name === null) return undefined
      return bytes.contentUrl?.(download.name, how(pathOf(download)))
    },

    existing: (clientId, path) => findOpen(clientId, path, [...unfinishedStatuses, 'completed']),
  }
}

/** Where the file lies at the site, as far as that is known. */
export const pathOf = ({ sourcePath, path }: DownloadRecord): string => sourcePath ?? path ?? 'file'

/**
 * @throws AppError for a download that ended without content: the reason is the code
 */
export function checkUsable(download: DownloadRecord): void {
  const { id, status, reason, detail } = download
  if (status === 'failed' || status === 'cancelled' || status === 'expired') {
    throw new AppError(reason ?? 'internal', detail ?? `The download ${id} is ${status}.`, {
      id,
      downloadStatus: status,
    })
  }
  if (download.removedAt !== null)
    throw new AppError('content-removed', `The file of download ${id} was removed.`, { id })
}
