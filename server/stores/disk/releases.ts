import { open, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../../../shared/digest.ts'
import { systemCode } from '../../../shared/errors.ts'
import type { ReleaseStore } from '../../ports.ts'
import { readRange } from './reader.ts'

/** What says what else there is, and who made it. */
const lists = ['SHA256SUMS', 'SHA256SUMS.sig', 'release.pub']

/** The release in a folder, as `npm run build:agent` makes it: only what its SHA256SUMS lists is handed out. */
export function openReleaseFolder(folder: string): ReleaseStore {
  /** The SHA-256 of a file that the release has. */
  const digestOf = async (name: string): Promise<string | undefined> => {
    if (lists.includes(name))
      return sha256()
        .update(await readFile(join(folder, name)))
        .digest('hex')
    const sums = await readFile(join(folder, 'SHA256SUMS'), 'utf8')
    const known = sums.split('\n').map((line) => /^([0-9a-f]{64})  ([A-Za-z0-9][\w.+-]*)$/.exec(line))
    return known.find((match) => match?.[2] === name)?.[1]
  }

  return {
    async open(name) {
      let file: FileHandle | undefined
      try {
        const digest = await digestOf(name)
        if (digest === undefined) return undefined
        const opened = (file = await open(join(folder, name)))
        const { size } = await opened.stat()
        return {
          size,
          sha256: digest,
          read: (range) => readRange(opened, range),
          close: () => opened.close(),
        }
      } catch (error) {
        await file?.close()
        if (systemCode(error) === 'ENOENT') return undefined
        throw error
      }
    },
  }
}
