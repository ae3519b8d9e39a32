import { createHash, randomUUID } from 'node:crypto'
import { AppError } from '../../shared/errors.ts'
import {
  defaults,
  FILE_KIND,
  openStatuses,
  type FailRequest,
  type FailureCode,
  type Status,
} from '../../shared/protocol.ts'
import type { DownloadRequest } from '../../shared/operator.ts'
import type { ByteStore, Part } from '../byte-ports.ts'
import type { Clock, DownloadDraft, DownloadRecord, JobStore, Observer, Transition, WakeBus } from '../ports.ts'
import { checkOpen, findForSession, unknownClient, unknownDownload } from './guards.ts'
import { clientTopic, downloadTopic } from './topics.ts'

export interface DownloadsDeps {
  jobs: JobStore
  bytes: ByteStore
  wakes: WakeBus
  observer: Observer
  clock: Clock
}

export interface CreateOptions {
  idempotencyKey?: string | undefined
  naming?: DownloadRecord['naming']
  /** The clients that who asks may ask; others are as unknown to them as those that are not there. */
  may?: (clientId: string) => boolean
  askedBy?: string | null
}

/** Why an attempt under way fails. */
export interface Failure {
  from: readonly Status[]
  attempt: number
  session?: string | undefined
  reason: FailureCode
  detail?: string | undefined
}

/** What a download shows of an attempt whose bytes are discarded: the next begin makes a new one. */
export const NO_BYTES = { source: null, bytesReceived: 0 } as const

export interface Downloads {
  /**
   * Queues one download, or one per client of a batch.
   * @throws AppError `client-unknown` naming every id that was never seen; then nothing is queued
   */
  create(request: DownloadRequest, options?: CreateOptions): Promise<DownloadRecord[]>
  /** @throws AppError `download-unknown` */
  find(id: string): Promise<DownloadRecord>
  /** Applies a transition and wakes whoever waits for it. */
  change(transition: Transition): Promise<DownloadRecord | undefined>
  /** @throws AppError `already-finished` for a completed one; cancelling twice is fine */
  cancel(id: string): Promise<DownloadRecord>
  /** @throws AppError `not-retryable` unless failed or expired */
  retry(id: string): Promise<DownloadRecord>
  /** Fails a job as its agent says. @throws AppError `job-gone`, `session-superseded` */
  fail(id: string, session: string | undefined, request: FailRequest): Promise<DownloadRecord>
  /** Fails an attempt whose bytes help no retry, and discards them. @returns undefined when it was no longer under way */
  failAndDiscard(id: string, failure: Failure): Promise<DownloadRecord | undefined>
  expire(id: string): Promise<void>
  /** Removes a finished file; the record stays. Repeatable, as after a crash. @throws AppError `not-finished` */
  removeContent(id: string): Promise<DownloadRecord>
  /** Discards the part that a failed or expired download keeps for a retry. */
  dropKept(part: Part): Promise<void>
  /** Removes an attempt's bytes: the rows first, then the file. */
  discardPart(id: string, attempt: number): Promise<void>
}

/** The life of a download, as an operator sees it. */
export function createDownloads(deps: DownloadsDeps): Downloads {
  const { jobs, bytes, wakes, observer, clock } = deps

  const find = async (id: string): Promise<DownloadRecord> => {
    const download = await jobs.findDownload(id)
    if (!download) throw unknownDownload(id)
    return download
  }

  const change = async (transition: Transition): Promise<DownloadRecord | undefined> => {
    const changed = await jobs.transition(transition)
    if (!changed) return undefined
    wakes.wake([downloadTopic(changed.id), clientTopic(changed.clientId)])
    if (transition.set.status !== undefined) observer.changed(changed)
    return changed
  }

  const discardPart = async (id: string, attempt: number): Promise<void> => {
    await jobs.forgetChunks(id, attempt)
    await bytes.removePart({ id, attempt })
  }

  const markFailed = (
    id: string,
    { from, attempt, session, reason, detail }: Failure,
    more: Transition['set'] = {},
  ): Promise<DownloadRecord | undefined> =>
    change({
      id,
      from,
      attempt,
      session,
      set: { status: 'failed', reason, detail: detail ?? null, completedAt: clock.now(), ...more },
    })

  const failAndDiscard = async (id: string, failure: Failure): Promise<DownloadRecord | undefined> => {
    const failed = await markFailed(id, failure, NO_BYTES)
    if (failed) await discardPart(id, failed.attempt)
    return failed
  }

  const targets = async (
    { clientId, clientIds, labels }: DownloadRequest,
    may: (clientId: string) => boolean,
  ): Promise<string[]> => {
    if (clientIds === '*') {
      const all = (await jobs.listClients({ labels })).filter(({ id }) => may(id))
      if (all.length > 0) return all.map((client) => client.id)
      throw new AppError(
        'client-unknown',
        'No known client matches; GET /clients?status=all lists them with their labels.',
      )
    }
    const ids = [...new Set(clientIds ?? [clientId ?? ''])]
    const found = await Promise.all(ids.map((id) => jobs.findClient(id)))
    const unknown = ids.filter((id, index) => !found[index] || !may(id))
    if (unknown.length > 0) {
      throw unknownClient(unknown.join(', '), { unknown })
    }
    return ids
  }

  return {
    find,
    change,
    failAndDiscard,
    discardPart,

    async create(request, { idempotencyKey, naming = 'plain', may = () => true, askedBy = null } = {}) {
      const createdAt = clock.now()
      const expiresIn = (request.expiresIn ?? defaults.expiresInSeconds) * 1000
      const batchId = request.clientIds === undefined ? null : randomUUID()
      const drafts = (await targets(request, may)).map((clientId): DownloadDraft => ({
        id: randomUUID(),
        clientId,
        kind: request.kind ?? FILE_KIND,
        path: request.path ?? null,
        priority: request.priority ?? 0,
        policy: request.policy ?? 'fail',
        note: request.note ?? null,
        batchId,
        askedBy,
        naming,
        createdAt,
        expiresIn,
        expiresAt: createdAt + expiresIn,
      }))
      const idempotency =
        idempotencyKey === undefined ? undefined : { key: idempotencyKey, request: fingerprint(request) }
      const { downloads: created, replayed } = await jobs.createDownloads(drafts, idempotency)
      if (replayed) return created
      wakes.wake(created.map((download) => clientTopic(download.clientId)))
      for (const download of created) observer.changed(download)
      return created
    },

    async cancel(id) {
      const set = {
        status: 'cancelled',
        reason: 'cancelled',
        detail: null,
        source: null,
        completedAt: clock.now(),
      } as const
      const cancelled = await change({ id, from: ['queued', 'transferring', 'failed', 'expired'], set })
      if (cancelled) {
        await discardPart(id, cancelled.attempt)
        return cancelled
      }
      const verified = await change({ id, from: ['verifying'], set })
      if (verified) {
        // It may get its name at this very moment. The verification takes name and part away again; should a crash come
        // before, the sweeper does, which knows by the part whose file bears the name.
        if (verified.name !== null) await bytes.unpublish(verified, verified.name)
        await jobs.forgetChunks(id, verified.attempt)
        return verified
      }
      const download = await find(id)
      if (download.status === 'cancelled') return download
      throw new AppError(
        'already-finished',
        `The download ${id} is completed; DELETE /downloads/${id}/content removes its file.`,
      )
    },

    async retry(id) {
      const { expiresIn } = await find(id)
      const retried = await change({
        id,
        from: ['failed', 'expired'],
        set: {
          status: 'queued',
          reason: null,
          detail: null,
          mismatches: 0,
          completedAt: null,
          expiresAt: clock.now() + expiresIn,
        },
      })
      if (retried) return retried
      const { status } = await find(id)
      throw new AppError(
        'not-retryable',
        `The download ${id} is ${status}; only a failed or expired one can be retried.`,
      )
    },

    async fail(id, session, { attempt, code, detail }) {
      const download = await findForSession({ jobs }, id, session)
      if (download.status === 'failed' && download.reason === code) return download
      checkOpen(download)
      const failure = { from: openStatuses, attempt: attempt || download.attempt, session, reason: code, detail }
      // Bytes of a version that is gone, or that are not what they should be, help no retry.
      const useless = code === 'changed' || code === 'damaged'
      const failed = await (useless ? failAndDiscard(id, failure) : markFailed(id, failure))
      if (failed) return failed
      checkOpen(await find(id))
      throw new AppError(
        'attempt-superseded',
        `Attempt ${attempt} of ${id} is not the one under way; poll for the job again.`,
      )
    },

    async expire(id) {
      await change({ id, from: openStatuses, set: { status: 'expired', reason: 'expired', completedAt: clock.now() } })
    },

    async removeContent(id) {
      const download = await find(id)
      if (download.status !== 'completed') {
        throw new AppError('not-finished', `The download ${id} is ${download.status} and has no finished file.`)
      }
      const set = { removedAt: download.removedAt ?? clock.now() }
      const removed = await change({ id, from: ['completed'], set })
      if (download.name === null) return download
      await bytes.removeContent(download.name)
      await jobs.forgetChunks(id, download.attempt)
      // Only now is nothing left to do: a removal that was cut off before is finished by the sweeper.
      await jobs.transition({ id, from: ['completed'], set: { name: null } })
      return removed ?? download
    },

    async dropKept({ id, attempt }) {
      const dropped = await jobs.transition({ id, from: ['failed', 'expired'], attempt, set: NO_BYTES })
      if (dropped) await discardPart(id, attempt)
    },
  }
}

function fingerprint(request: DownloadRequest): string {
  const sorted = Object.entries(request).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}
