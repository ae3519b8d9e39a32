import { open, type FileHandle } from 'node:fs/promises'
import { coalesce } from '../../../shared/coalesce.ts'

/** A part that is open for writing, once for all who write to it. */
export interface PartFile {
  handle: FileHandle
  /**
   * Makes durable what was written before the call; those who wait together share one sync. Once a sync has failed, all
   * that follow fail: the kernel tells of lost pages once, and the next sync would know nothing of them.
   */
  sync(): Promise<void>
  /** To be called once by whoever acquired it. */
  release(): Promise<void>
}

export interface PartFiles {
  /** Opens an existing part, or shares it with those who write to it already. @throws a system error */
  acquire(path: string): Promise<PartFile>
  /** Closes a part that has lost its name, as soon as nobody writes to it; whoever acquires the path opens it anew. */
  forget(path: string): Promise<void>
  close(): Promise<void>
}

/** A part that nobody writes to stays open for so long, in ms: the next chunk mostly follows at once. */
const LINGER = 1_000
/** So many of these at most. */
const IDLE = 64

interface Shared {
  path: string
  file: Promise<Omit<PartFile, 'release'>>
  users: number
}

/** Parts by their paths. One descriptor for all writers of a part: what it costs to open and to sync is paid once. */
export function createPartFiles(): PartFiles {
  const shared = new Map<string, Shared>()
  /** What nobody writes to, and the timer that closes it. */
  const idle = new Map<Shared, NodeJS.Timeout>()

  const unshare = (entry: Shared): void => {
    if (shared.get(entry.path) === entry) shared.delete(entry.path)
  }

  const close = async (entry: Shared): Promise<void> => {
    clearTimeout(idle.get(entry))
    idle.delete(entry)
    unshare(entry)
    const file = await entry.file.catch(() => undefined)
    // Nothing is lost by a failure to close: whatever counts was synced. It may be the part of somebody else, too.
    await file?.handle.close().catch(() => undefined)
  }

  const release = async (entry: Shared): Promise<void> => {
    entry.users -= 1
    if (entry.users > 0) return
    if (shared.get(entry.path) !== entry) return close(entry)
    idle.set(entry, setTimeout(() => void close(entry), LINGER).unref())
    const [oldest] = idle.keys()
    if (oldest && idle.size > IDLE) await close(oldest)
  }

  const use = (path: string): Shared => {
    const entry = shared.get(path) ?? { path, file: openFile(path), users: 0 }
    shared.set(path, entry)
    clearTimeout(idle.get(entry))
    idle.delete(entry)
    entry.users += 1
    return entry
  }

  const forget = async (path: string): Promise<void> => {
    const entry = shared.get(path)
    shared.delete(path)
    if (entry?.users === 0) await close(entry)
  }

  return {
    async acquire(path) {
      const entry = use(path)
      try {
        return { ...(await entry.file), release: () => release(entry) }
      } catch (error) {
        unshare(entry)
        throw error
      }
    },

    forget,

    async close() {
      await Promise.all([...shared.keys()].map(forget))
    },
  }
}

/** Without O_CREAT: a late request must not bring a discarded part back. */
async function openFile(path: string): Promise<Omit<PartFile, 'release'>> {
  const handle = await open(path, 'r+')
  let failure: { error: unknown } | undefined
  const sync = async (): Promise<void> => {
    if (failure) throw failure.error
    try {
      // Data only: the part got its length, durably, when it was made.
      await handle.datasync()
    } catch (error) {
      failure = { error }
      throw error
    }
  }
  return { handle, sync: coalesce(sync) }
}
