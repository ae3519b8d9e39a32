import { coalesceBy } from '../../shared/coalesce.ts'
import type { Sha256 } from '../../shared/digest.ts'
import { isAppError, messageOf } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, Part } from '../byte-ports.ts'
import type { Clock, DownloadRecord, JobStore, Leases, WakeBus } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import type { Downloads } from './downloads.ts'
import { createFollowed } from './followed.ts'
import { finalNames } from './names.ts'

/** A mismatch makes a new attempt this often, then the download fails. */
const NEW_ATTEMPTS = 2

export interface Verifier {
  /** Hashes ahead what has become contiguous with a range that is durable now, unless another server does. */
  follow(part: Part, range: Range): Promise<void>
  /** Verifies a download in `verifying`, gives it its name and completes it, unless another server does. Repeatable. */
  finish(id: string): Promise<void>
  /** Drops what was hashed ahead of attempts that have ended otherwise. */
  forgetEnded(): Promise<void>
}

/** Proves that what lies in the store has the announced SHA-256, and only then lets it have its name. */
export function createVerifier(deps: {
  jobs: JobStore
  bytes: ByteStore
  wakes: WakeBus
  leases: Leases
  downloads: Downloads
  attempts: Attempts
  clock: Clock
  report: (error: unknown, what: string, id: string) => void
}): Verifier {
  const { jobs, bytes, downloads, attempts, clock, report } = deps
  const followed = createFollowed({ ...deps, ended: (id) => void finish(id) })

  const publish = async (download: DownloadRecord, sha256: Sha256): Promise<void> => {
    const { id, attempt } = download
    const size = download.size ?? 0
    let name = download.name
    for (const candidate of finalNames(download, clock.now())) {
      if (name !== null && (await bytes.publish({ id, attempt, size }, name, jobs))) break
      // Something that is not ours bears the name.
      name = await claim(download, candidate)
    }
    if (name === null) throw new Error('no free name was found')
    // With the name that it has: another server may have claimed one meanwhile that is not made yet, and never will be.
    const verified = download.sha256 !== null
    const set = { status: 'completed', name, sha256, verified, completedAt: clock.now() } as const
    const completed = await downloads.change({ id, from: ['verifying'], attempt, set })
    if (!completed) await takeBack(download, name)
    await bytes.removePart(download)
  }

  /** Cancelled meanwhile: a cancelled file does not come back. Another server may have completed it, too. */
  const takeBack = async ({ id, attempt }: DownloadRecord, name: string): Promise<void> => {
    const now = await jobs.findDownload(id)
    const isThere = now?.status === 'completed' && now.attempt === attempt && now.name === name
    // Nor does one that was removed since.
    if (!isThere || now.removedAt !== null) await bytes.unpublish({ id, attempt }, name)
  }

  const claim = async ({ id, attempt }: DownloadRecord, name: string): Promise<string | null> => {
    try {
      return (await jobs.transition({ id, from: ['verifying'], attempt, set: { name } })) ? name : null
    } catch (error) {
      if (isAppError(error, 'name-taken')) return null
      throw error
    }
  }

  const reject = async (download: DownloadRecord, detail: string): Promise<void> => {
    const { id, attempt } = download
    // Counted in the same update: what cannot be written down yet is not counted twice.
    const mismatches = download.mismatches + 1
    if (mismatches <= NEW_ATTEMPTS) await attempts.abandon(download, 'damaged', detail, { mismatches })
    else await downloads.failAndDiscard(id, { from: ['verifying'], attempt, reason: 'damaged', detail })
  }

  const verify = async (download: DownloadRecord): Promise<void> => {
    try {
      const digest = await followed.digest(download, download.size ?? 0)
      if (digest === undefined) return
      if (download.sha256 === null || download.sha256 === digest) await publish(download, digest)
      else
        await reject(
          download,
          `What lies in the store has the SHA-256 ${digest}, not the announced ${download.sha256}.`,
        )
    } catch (error) {
      // Only what proves a loss costs the attempt; a read that fails now may succeed later.
      if (!isAppError(error, 'content-removed')) throw error
      await reject(download, `The store lost bytes: ${messageOf(error)}`)
    }
    followed.drop(download)
  }

  // Whoever asks meanwhile may ask for the next attempt already.
  const finish = coalesceBy(async (id) => {
    try {
      const download = await jobs.findDownload(id)
      if (download?.status === 'verifying') await verify(download)
    } catch (error) {
      // Cancelled meanwhile, its bytes are gone, and nothing is wrong. Else the sweeper asks again.
      const now = await jobs.findDownload(id).catch(() => undefined)
      if (now === undefined || now.status === 'verifying') report(error, 'verification failed; it is tried again', id)
    }
  })

  return {
    follow: followed.follow,
    finish,

    async forgetEnded() {
      for (const part of followed.parts()) {
        const download = await jobs.findDownload(part.id)
        const current = download?.attempt === part.attempt
        if (!current || (download.status !== 'transferring' && download.status !== 'verifying')) followed.drop(part)
      }
    },
  }
}
