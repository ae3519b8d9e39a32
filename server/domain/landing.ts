import type { Sha256 } from '../../shared/digest.ts'
import { isAppError } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'
import type { DownloadRecord, JobStore } from '../ports.ts'
import type { Announced } from './announced.ts'
import type { Chunks } from './chunks.ts'
import { wasAsked, type Completion } from './completion.ts'
import { findForSession } from './guards.ts'

/** A chunk on its way to its row, however its bytes come. */
export interface Landing {
  id: string
  session: string
  attempt: number
  range: Range
  /** Of the whole file, where the agent knows it by now: with it, the chunk that fills the last hole also completes. */
  sha256?: Sha256 | undefined
  /** Aborts when the connection has gone. */
  signal: AbortSignal
}

/** What is done with a chunk. */
export interface HowToLand {
  /** @throws AppError unless the chunk may be taken, as far as that can be told before its bytes */
  check: () => Promise<void>
  /** @returns the download with the chunk counted, or undefined when the chunk was there already */
  take: () => Promise<DownloadRecord | undefined>
  /** Everything was there before: what is to be done with the bytes of a repetition. */
  repeated: () => Promise<void>
}

/**
 * @returns the download, `completed` or `verifying`, when everything is there and the digest of the whole was given
 * @throws AppError as in the protocol's tables of a chunk and of complete
 */
export type Land = (landing: Landing, how: HowToLand) => Promise<DownloadRecord | undefined>

export interface LandDeps {
  jobs: JobStore
  chunks: Chunks
  completion: Completion
  announced: Announced
  report: (error: unknown, what: string, id: string) => void
}

/** Takes chunks, tells of them, and completes with the last. */
export function createLand({ jobs, chunks, completion, announced, report }: LandDeps): Land {
  /** @returns the download as it is with the chunk */
  const landOne = async (landing: Landing, { check, take }: HowToLand): Promise<DownloadRecord | undefined> => {
    const { id, session, attempt, range, sha256 } = landing
    // Before it is durable: another chunk may be so after it, and ask for what it told before it is answered.
    let takeBack: (() => void) | undefined
    try {
      await check()
      takeBack = sha256 === undefined ? undefined : announced.tell(landing, session, sha256)
      const stored = await take()
      if (stored) await chunks.landed(stored, range)
      return stored ?? (await jobs.findDownload(id))
    } catch (error) {
      takeBack?.()
      if (isAppError(error, 'range-conflict')) error.details['received'] = await jobs.received(id, attempt)
      throw error
    }
  }

  const isWhole = (download: DownloadRecord | undefined): download is DownloadRecord & { size: number } =>
    download !== undefined && download.size !== null && download.bytesReceived === download.size

  /** The chunk that told the digest has landed before this one, which is answered at once. */
  const completeLater = (download: DownloadRecord & { size: number }, landing: Landing): void => {
    const { id, session, attempt, signal } = landing
    const told = announced.told(landing, session)
    if (told === undefined) return
    announced.forget(landing)
    // Whoever asks for the end hears of what comes of it.
    completion.complete(id, session, { attempt, size: download.size, sha256: told }, signal).catch((error: unknown) => {
      // The server stops, and goes on with it at its next start.
      if (isAppError(error, 'shutting-down')) return
      report(error, 'everything is there, and could not be completed yet', id)
    })
  }

  return async (landing, how) => {
    const { id, session, attempt, sha256, signal } = landing
    if (sha256 === undefined) {
      const download = await landOne(landing, how)
      if (isWhole(download)) completeLater(download, landing)
      return undefined
    }
    const before = await findForSession({ jobs }, id, session)
    const end = { attempt, size: before.size ?? 0, sha256 }
    if (wasAsked(before, end)) {
      // A lost answer is answered the same.
      await how.repeated()
      return completion.complete(id, session, end, signal)
    }
    const download = await landOne(landing, how)
    if (!isWhole(download)) return undefined
    announced.forget(landing)
    return completion.complete(id, session, { ...end, size: download.size }, signal)
  }
}
