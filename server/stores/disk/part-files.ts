import { open, type FileHandle } from 'node:fs/promises'
import { coalesce } from '../coalesce.ts'

/** A part that is open for writing, once for all who write to it at the moment. */
export interface PartFile {
  handle: FileHandle
  /**
   * Makes durable what was written before the call; those who wait together share one sync. Once a sync has failed, all
   * that follow fail: the kernel tells of lost pages once, and the next sync would know nothing of them.
   */
  sync(): Promise<void>
  /** To be called once by whoever acquired it; the last one closes it. */
  release(): Promise<void>
}

export interface PartFiles {
  /** Opens an existing part, or shares it with those who write to it already. @throws a system error */
  acquire(path: string): Promise<PartFile>
  /** Whoever acquires this path from now on opens it anew: what is open has lost its name. */
  forget(path: string): void
}

interface Shared {
  file: Promise<Omit<PartFile, 'release'>>
  users: number
}

/** Parts by their paths. One descriptor for all writers of a part: what it costs to open and to sync is paid once. */
export function createPartFiles(): PartFiles {
  const shared = new Map<string, Shared>()

  const leave = async (path: string, entry: Shared): Promise<void> => {
    entry.users -= 1
    if (entry.users > 0) return
    if (shared.get(path) === entry) shared.delete(path)
    const file = await entry.file.catch(() => undefined)
    await file?.handle.close()
  }

  return {
    async acquire(path) {
      const entry = shared.get(path) ?? { file: openFile(path), users: 0 }
      shared.set(path, entry)
      entry.users += 1
      try {
        const file = await entry.file
        return { ...file, release: () => leave(path, entry) }
      } catch (error) {
        await leave(path, entry)
        throw error
      }
    },

    forget: (path) => void shared.delete(path),
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
