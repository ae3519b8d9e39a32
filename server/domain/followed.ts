import type { Sha256 } from '../../shared/digest.ts'
import type { Range } from '../../shared/ranges.ts'
import type { ByteStore, Part, PartHasher } from '../byte-ports.ts'
import type { Clock, JobStore, Leases, WakeBus } from '../ports.ts'
import { partKey } from './part-key.ts'
import { downloadTopic } from './topics.ts'

/** Parts hashed ahead at the same time; any more are hashed when they are complete. */
const MAX_FOLLOWED = 256
/** Where another server follows a part, so many parts are remembered at most, and each for so long, in ms. */
const MAX_ELSEWHERE = 10_000
const ASK_AGAIN = 5_000

interface Entry {
  part: Part
  /** Whether it is this server's to hash. */
  held: Promise<boolean>
  hasher: PartHasher
  /** Of the whole, until the outcome is written down: a full disk is no reason to read everything again. */
  digest: Sha256 | undefined
  unwatch: () => void
}

/** Parts that are hashed while they arrive, each at one server at a time: a lease says at which. */
export interface Followed {
  /** Hashes ahead what has become contiguous with a range that is durable now. */
  follow(part: Part, range: Range): Promise<void>
  /** The SHA-256 of all `size` bytes; undefined where another server has the part. @throws what the hasher does */
  digest(part: Part, size: number): Promise<Sha256 | undefined>
  /** Forgets a part, and leaves it to whoever comes. */
  drop(part: Part): void
  parts(): Part[]
}

/** @param deps `ended` hears of parts whose downloads changed at another server: they may be complete */
export function createFollowed(deps: {
  jobs: JobStore
  bytes: ByteStore
  wakes: WakeBus
  leases: Leases
  clock: Clock
  ended: (id: string) => void
  report: (error: unknown, what: string, id: string) => void
}): Followed {
  const { jobs, bytes, wakes, leases, clock, ended, report } = deps
  const entries = new Map<string, Entry>()
  /** When to ask again for a part that another server has. */
  const elsewhere = new Map<string, number>()

  const drop = (part: Part): void => {
    const key = partKey(part)
    const entry = entries.get(key)
    if (!entry) return
    entries.delete(key)
    entry.unwatch()
    entry.hasher.close()
    leases.release(leaseOf(part)).catch((error: unknown) => report(error, 'a lease is kept until it runs out', part.id))
  }

  /** The end may come by way of another server: a wake tells of it. Chunks that did are found in the rows. */
  const watch = ({ id }: Part): (() => void) =>
    wakes.lostFor === undefined ? () => undefined : wakes.subscribe(downloadTopic(id), () => ended(id))

  const hold = async (part: Part): Promise<boolean> => {
    const key = partKey(part)
    try {
      if (await leases.hold(leaseOf(part))) return true
    } catch (error) {
      forget(key)
      throw error
    }
    forget(key)
    elsewhere.set(key, clock.monotonic() + ASK_AGAIN)
    for (const oldest of elsewhere.keys()) if (elsewhere.size > MAX_ELSEWHERE) elsewhere.delete(oldest)
    return false
  }

  /** What was begun for a part that is not ours. */
  const forget = (key: string): void => {
    const entry = entries.get(key)
    entries.delete(key)
    entry?.unwatch()
    entry?.hasher.close()
  }

  const entryOf = ({ id, attempt }: Part): Entry => {
    const key = partKey({ id, attempt })
    const known = entries.get(key)
    if (known) return known
    const part = { id, attempt }
    const hasher = bytes.hasher(part, jobs)
    const entry: Entry = { part, hasher, digest: undefined, unwatch: watch(part), held: Promise.resolve(false) }
    entries.set(key, entry)
    elsewhere.delete(key)
    entry.held = hold(part)
    return entry
  }

  return {
    drop,
    parts: () => [...entries.values()].map(({ part }) => part),

    async follow(part, range) {
      const key = partKey(part)
      if (!entries.has(key) && entries.size >= MAX_FOLLOWED) return
      if ((elsewhere.get(key) ?? 0) > clock.monotonic()) return
      const entry = entryOf(part)
      if (!(await entry.held)) return
      try {
        await entry.hasher.extend(range)
      } catch (error) {
        drop(part)
        throw error
      }
    },

    async digest(part, size) {
      const entry = entryOf(part)
      if (!(await entry.held)) return undefined
      try {
        entry.digest ??= await entry.hasher.digest(size)
        return entry.digest
      } catch (error) {
        drop(part)
        throw error
      }
    },
  }
}

const leaseOf = (part: Part): string => `verify:${partKey(part)}`
