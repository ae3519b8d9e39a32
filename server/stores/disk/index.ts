import { link, open, readdir, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AppError, systemCode } from '../../../shared/errors.ts'
import type { ByteStore, Part } from '../../byte-ports.ts'
import { freeBytes, makeFolder, syncFolder } from '../../../shared/folder.ts'
import { telling, unlessMissing } from '../files.ts'
import { lockForServer } from '../lock.ts'
import { createHashers } from './hasher.ts'
import { lockFile, partName, partOf, partsFolder } from './layout.ts'
import { createPartFiles } from './part-files.ts'
import { readRange } from './reader.ts'
import { openPartWriter } from './writer.ts'

/**
 * Finished files in `folder`, parts in `folder/.incoming`. The folder is made, and held exclusively until close.
 * @throws Error when another process holds the folder
 */
export async function openDiskBytes({ folder }: { folder: string }): Promise<ByteStore> {
  const root = resolve(folder)
  const parts = partsFolder(root)
  await makeFolder(parts)
  const unlock = lockForServer(lockFile(root), root)
  const hashers = createHashers()
  const files = createPartFiles()
  const partPath = (part: Part): string => join(parts, partName(part))

  const removeName = telling(async (name: string): Promise<void> => {
    await unlessMissing(unlink(join(root, name)))
    await syncFolder(root)
  })

  const makePart = async (path: string, size: number): Promise<void> => {
    const file = await open(path, 'wx')
    try {
      await file.truncate(size)
      await file.sync()
      await syncFolder(parts)
    } catch (error) {
      // The first error is the one to tell; a part that stays is swept.
      await unlink(path).catch(() => undefined)
      throw error
    } finally {
      await file.close()
    }
  }

  const free = telling(() => freeBytes(root))

  return {
    failedCommitLoses: 'part',

    createPart: telling(async (part, size) => {
      try {
        await makePart(partPath(part), size)
        return true
      } catch (error) {
        if (systemCode(error) === 'EEXIST') return false
        throw error
      }
    }),

    openWriter: telling((part, range) => openPartWriter(files, partPath(part), range)),

    openReader: telling(async (part) => {
      const file = await unlessMissing(open(partPath(part), 'r'))
      return file && { read: (_chunk, range) => readRange(file, range), close: () => file.close() }
    }),

    hasher: (part, rows) => hashers.open(partPath(part), part, rows),
    partSize: telling(async (part) => (await unlessMissing(stat(partPath(part))))?.size),

    listParts: telling(async () => {
      const names = await readdir(parts)
      return names.flatMap((name) => partOf(name) ?? [])
    }),

    removePart: telling(async (part) => {
      // The name first: as long as there is one, whoever comes can open it, and would stay with what is gone.
      await unlessMissing(unlink(partPath(part)))
      await files.forget(partPath(part))
    }),

    publish: telling(async (part, name) => {
      const target = join(root, name)
      try {
        await link(partPath(part), target)
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
        if (!(await sameFile(partPath(part), target))) return false
      }
      await syncFolder(root)
      return true
    }),

    openContent: telling(async (name) => {
      const file = await unlessMissing(open(join(root, name), 'r'))
      if (!file) throw new AppError('content-removed', `The file ${name} is not in the store any more.`)
      const { size } = await file.stat()
      return { size, read: (range) => readRange(file, range), close: () => file.close() }
    }),

    unpublish: telling(async (part, name) => {
      if (await sameFile(partPath(part), join(root, name))) await removeName(name)
    }),

    removeContent: removeName,

    location: (name) => join(root, name),

    freeBytes: free,
    check: async () => void (await free()),

    async close() {
      await hashers.close()
      await files.close()
      unlock()
    },
  }
}

/** Whether both names are links to one file: then a crash came between the link and its row. */
async function sameFile(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([
    unlessMissing(stat(a, { bigint: true })),
    unlessMissing(stat(b, { bigint: true })),
  ])
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev
}
