import type { Sha256 } from '../../shared/digest.ts'
import { isAppError, messageOf } from '../../shared/errors.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, Clock, DownloadRecord, JobStore, Part, PartHasher } from '../ports.ts'
import type { Attempts } from './attempts.ts'
import type { Downloads } from './downloads.ts'
import { finalNames } from './names.ts'
import { partKey } from './part-key.ts'

/** A mismatch makes a new attempt this often, then the download fails. */
const NEW_ATTEMPTS = 2
/** Parts hashed ahead at the same time; any more are hashed when they are complete. */
const MAX_FOLLOWED = 256

interface Followed {
  part: Part
  hasher: PartHasher
  /** Everything before is durable. */
  at: number
  /** Ends of the durable ranges behind it, by their starts. */
  ahead: Map<number, number>
  loaded?: Promise<void>
  /** Of the whole, until the outcome is written down: a full disk is no reason to read everything again. */
  digest: Sha256 | undefined
}

export interface Verifier {
  /** Hashes ahead what has become contiguous with a range that is durable now. */
  follow(part: Part, range: Range): Promise<void>
  /** Verifies a download in `verifying`, gives it its name and completes it. Repeatable. */
  finish(id: string): Promise<void>
  /** Drops what was hashed ahead of attempts that have ended otherwise. */
  forgetEnded(): Promise<void>
}

/** Proves that what lies in the store has the announced SHA-256, and only then lets it have its name. */
export function createVerifier(deps: {
  jobs: JobStore
  bytes: ByteStore
  downloads: Downloads
  attempts: Attempts
  clock: Clock
  report: (error: unknown, what: string, id: string) => void
}): Verifier {
  const { jobs, bytes, downloads, attempts, clock, report } = deps
  const followed = new Map<string, Followed>()
  const finishing = new Map<string, Promise<void>>()

  /** What was durable before it was followed. */
  const load = async ({ part, ahead }: Followed): Promise<void> => {
    for (const { start, end } of await jobs.received(part.id, part.attempt)) {
      ahead.set(start, Math.max(end, ahead.get(start) ?? 0))
    }
  }

  const entryOf = ({ id, attempt }: Part): Followed => {
    const known = followed.get(partKey({ id, attempt }))
    if (known) return known
    const part = { id, attempt }
    const entry = { part, hasher: bytes.hasher(part), at: 0, ahead: new Map(), digest: undefined }
    followed.set(partKey(part), entry)
    return entry
  }

  const drop = (part: Part): void => {
    followed.get(partKey(part))?.hasher.close()
    followed.delete(partKey(part))
  }

  /** Hashes ahead as far as there is no hole. */
  const advance = (entry: Followed): void => {
    const before = entry.at
    for (let end = entry.ahead.get(entry.at); end !== undefined; end = entry.ahead.get(entry.at)) {
      entry.ahead.delete(entry.at)
      entry.at = end
    }
    if (entry.at > before) entry.hasher.extend(entry.at)
  }

  const digestOf = async (part: Part, size: number): Promise<Sha256> => {
    const entry = entryOf(part)
    try {
      entry.digest ??= await entry.hasher.digest(size)
      return entry.digest
    } catch (error) {
      drop(part)
      throw error
    }
  }

  const publish = async (download: DownloadRecord, sha256: string): Promise<void> => {
    const { id, attempt } = download
    let name = download.name
    for (const candidate of finalNames(download, clock.now())) {
      if (name !== null && (await bytes.publish(download, name))) break
      // Something that is not ours bears the name.
      name = await claim(download, candidate)
    }
    if (name === null) throw new Error('no free name was found')
    const set = { status: 'completed', sha256, verified: download.sha256 !== null, completedAt: clock.now() } as const
    const completed = await downloads.change({ id, from: ['verifying'], attempt, set })
    // Cancelled meanwhile: a cancelled file does not come back.
    if (!completed) await bytes.removeContent(name)
    await bytes.removePart(download)
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
    let digest: string
    try {
      digest = await digestOf(download, download.size ?? 0)
    } catch (error) {
      // Only what proves a loss costs the attempt; a read that fails now may succeed later.
      if (!isAppError(error, 'content-removed')) throw error
      return reject(download, `The store lost bytes: ${messageOf(error)}`)
    }
    if (download.sha256 === null || download.sha256 === digest) await publish(download, digest)
    else
      await reject(download, `What lies in the store has the SHA-256 ${digest}, not the announced ${download.sha256}.`)
    drop(download)
  }

  const finishNow = async (id: string): Promise<void> => {
    try {
      const download = await jobs.findDownload(id)
      if (download?.status === 'verifying') await verify(download)
    } catch (error) {
      // Cancelled meanwhile, its bytes are gone, and nothing is wrong. Else the sweeper asks again.
      const now = await jobs.findDownload(id).catch(() => undefined)
      if (now === undefined || now.status === 'verifying') report(error, 'verification failed; it is tried again', id)
    }
  }

  return {
    async follow(part, range) {
      if (!followed.has(partKey(part)) && followed.size >= MAX_FOLLOWED) return
      const entry = entryOf(part)
      entry.ahead.set(range.start, range.end)
      try {
        await (entry.loaded ??= load(entry))
      } catch (error) {
        drop(part)
        throw error
      }
      advance(entry)
    },

    async finish(id) {
      const running = finishing.get(id) ?? finishNow(id).finally(() => finishing.delete(id))
      finishing.set(id, running)
      await running
    },

    async forgetEnded() {
      for (const { part } of followed.values()) {
        const download = await jobs.findDownload(part.id)
        const current = download?.attempt === part.attempt
        if (!current || (download.status !== 'transferring' && download.status !== 'verifying')) drop(part)
      }
    },
  }
}
