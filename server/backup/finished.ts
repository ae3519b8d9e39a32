import { link, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../shared/errors.ts'
import type { Finished, Snapshot } from '../stores/sqlite/snapshot.ts'
import { copyFile, digestOf, makeWhole, openRegular, unfinishedOf, type Moved } from './copy.ts'
import { BackupError } from './errors.ts'
import { checkedName, type BackupLayout } from './layout.ts'

export interface FinishedCopiesDeps {
  snapshot: Snapshot
  layout: BackupLayout
  /** The server's files. */
  storage: string
  /** As hard links, which share their bytes with the server's. */
  link: boolean
  /** What is there from earlier runs is read, and compared by its digest. */
  verify: boolean
  now: () => number
  /** Whether the server's own row says by now that the file was removed. */
  isRemoved: (id: string) => boolean
  moved: Moved
}

export interface FinishedCopies {
  /** Sees to it that a finished file is in the backup, or that the copied row says that it is not. */
  add(file: Finished): Promise<void>
  outcome: Outcome
}

/** What came of all files. */
export interface Outcome {
  bytes: number
  copied: number
  linked: number
  /** They were there from an earlier run. */
  kept: number
  /** Names that the server's rows promise and its disk does not hold, and why. */
  lost: string[]
  /** The names that are there. */
  names: Set<string>
}

/** Times of a file and of its copy are the same within this, in ms: not every file system keeps nanoseconds. */
const SAME_TIME = 2_000

const GONE = 'is not at the server'
const DAMAGED = 'is damaged: it has not the SHA-256 that it was verified with'
/** Another file system, one without links, somebody else's file. */
const noLinks = ['EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK']

/** Finished files: they do not change, and a name is never given twice, so that what is there need not be copied again. */
export function createFinishedCopies(deps: FinishedCopiesDeps): FinishedCopies {
  const { snapshot, layout, storage, link: asLink, verify, now, isRemoved, moved } = deps
  const outcome: Outcome = { bytes: 0, copied: 0, linked: 0, kept: 0, lost: [], names: new Set() }

  const count = (file: Finished, how: 'copied' | 'linked' | 'kept'): void => {
    outcome[how] += 1
    outcome.bytes += file.size
    outcome.names.add(file.name)
  }

  /** Whether an earlier run has left it. @param mtimeMs the server's; without it, only the digest counts */
  const isKept = async (file: Finished, mtimeMs?: number): Promise<boolean> => {
    const there = await openRegular(layout.file(file.name))
    if (!there) return false
    try {
      const stats = await there.stat()
      if (stats.size !== file.size) return false
      if (verify || mtimeMs === undefined) return (await digestOf(there, () => undefined)) === file.sha256
      return Math.abs(stats.mtimeMs - mtimeMs) <= SAME_TIME
    } finally {
      await there.close()
    }
  }

  /** @returns whether it was still there */
  const linkTo = async (file: Finished): Promise<boolean> => {
    const to = layout.file(file.name)
    const unfinished = unfinishedOf(to)
    await rm(unfinished, { force: true })
    try {
      await link(join(storage, file.name), unfinished)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'ENOENT') return false
      if (!noLinks.includes(code ?? '')) throw error
      const why = `no hard link to ${file.name} can be made in ${layout.files} (${code})`
      throw new BackupError('no-links', `${why}: both must lie on one file system, under one owner.`, { cause: error })
    }
    await rename(unfinished, to)
    return true
  }

  /** @returns whether it has the digest that it had when it was verified */
  const copy = (file: Finished, from: FileHandle, mtime: Date): Promise<boolean> =>
    makeWhole(layout.file(file.name), async (to) => {
      const { sha256, size } = await copyFile(from, to, moved)
      await to.utimes(mtime, mtime)
      return size === file.size && (file.sha256 === null || sha256 === file.sha256)
    })

  const giveUp = async (file: Finished, why: string): Promise<void> => {
    if (isRemoved(file.id)) return snapshot.forgetFinished(file.id, now())
    if (await isKept(file)) {
      count(file, 'kept')
      outcome.lost.push(`${file.name} ${why}; the backup has it from an earlier run`)
      return
    }
    snapshot.forgetFinished(file.id, now())
    outcome.lost.push(`${file.name} ${why}`)
  }

  const addOpened = async (file: Finished, from: FileHandle): Promise<void> => {
    const { mtime, mtimeMs } = await from.stat()
    if (await isKept(file, mtimeMs)) {
      moved(file.size)
      return count(file, 'kept')
    }
    if (asLink) {
      moved(file.size)
      if (verify && file.sha256 !== null && (await digestOf(from, () => undefined)) !== file.sha256)
        return giveUp(file, DAMAGED)
      return (await linkTo(file)) ? count(file, 'linked') : giveUp(file, GONE)
    }
    if (await copy(file, from, mtime)) return count(file, 'copied')
    await giveUp(file, DAMAGED)
  }

  return {
    outcome,
    async add(file) {
      const from = await openRegular(join(storage, checkedName(file.name)))
      if (!from) {
        await giveUp(file, GONE)
        return moved(file.size)
      }
      try {
        await addOpened(file, from)
      } finally {
        await from.close()
      }
    },
  }
}
