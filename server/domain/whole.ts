import { randomUUID } from 'node:crypto'
import type { Sha256 } from '../../shared/digest.ts'
import { AppError } from '../../shared/errors.ts'
import type { DownloadRecord, JobStore } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import type { Completion } from './completion.ts'
import type { Downloads } from './downloads.ts'
import { checkOpen } from './guards.ts'
import type { Body, Uploads } from './uploads.ts'

export interface WholeRequest {
  id: string
  size: number
  /** From Repr-Digest; without it the download completes unverified. */
  sha256: Sha256 | undefined
  body: Body
  signal: AbortSignal
}

export interface WholeUploads {
  /** Takes a whole file in one request (`curl -T`), as an attempt of its own; cut off, it leaves nothing. */
  put(request: WholeRequest): Promise<DownloadRecord>
}

export function createWholeUploads(deps: {
  jobs: JobStore
  downloads: Downloads
  attempts: Attempts
  uploads: Uploads
  completion: Completion
}): WholeUploads {
  const { jobs, downloads, attempts, uploads, completion } = deps

  const receive = async (started: DownloadRecord, { size, sha256, body, signal }: WholeRequest): Promise<void> => {
    if (size === 0) return
    const digest = await uploads.writeWhole(started, size, body, signal)
    if (sha256 === undefined || digest === sha256) return
    throw new AppError(
      'digest-mismatch',
      'The body does not have the announced Repr-Digest; it was damaged on the way. Send it again.',
    )
  }

  return {
    async put(request) {
      const download = await downloads.find(request.id)
      checkOpen(download)
      const started = await attempts.start(download, { source: `whole-${randomUUID()}`, size: request.size })
      if (!started) throw new AppError('attempt-superseded', 'The job changed meanwhile; send the file again.')
      try {
        await receive(started, request)
      } catch (error) {
        await attempts.abandon(started, 'io-error', 'The upload was cut off.')
        throw error
      }
      const current = await jobs.findDownload(request.id)
      return completion.completeAttempt(current ?? started, request.sha256 ?? null, undefined, request.signal)
    },
  }
}
