import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { systemCode } from '../../../shared/errors.ts'
import { sha256, type Sha256 } from '../../../shared/digest.ts'
import { formatBytes } from '../../../shared/format.ts'
import { UpdateFailure } from '../../update/failure.ts'

/** The agent's folder, in which anything may lie, and change at any moment. */
export interface Staged {
  /** A small file. @throws UpdateFailure for what is no file, or larger than `most` bytes */
  read(name: string, most: number): Promise<Buffer>
  /**
   * Copies a file out of the agent's reach.
   * @returns the SHA-256 of the copy
   * @throws UpdateFailure as `read` does
   */
  copy(name: string, to: string, most: number): Promise<Sha256>
  close(): Promise<void>
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants

/** @returns undefined where there is no such folder @throws UpdateFailure for what is none */
export async function openStaged(path: string): Promise<Staged | undefined> {
  const folder = await openNoLink(path, 'update', O_DIRECTORY)
  if (!folder) return undefined

  /** What is opened is looked at, not what had the name a moment before. */
  const openFile = async (name: string, most: number): Promise<FileHandle> => {
    const file = await openNoLink(`/proc/self/fd/${folder.fd}/${name}`, name, O_NONBLOCK)
    if (!file) throw new UpdateFailure(`${name} is missing in what the agent fetched`)
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new UpdateFailure(`${name} of what the agent fetched is no file`)
      if (found.size > most) throw tooLarge(name, most)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** All of it; a file that grows meanwhile is too large at some point. */
  const pass = async (name: string, most: number, take: (bytes: Buffer) => Promise<void> | void): Promise<void> => {
    const file = await openFile(name, most)
    let count = 0
    try {
      for await (const bytes of file.createReadStream({ end: most, autoClose: false }) as AsyncIterable<Buffer>) {
        count += bytes.length
        if (count > most) throw tooLarge(name, most)
        await take(bytes)
      }
    } finally {
      await file.close()
    }
  }

  return {
    close: () => folder.close(),
    async read(name, most) {
      const pieces: Buffer[] = []
      await pass(name, most, (bytes) => void pieces.push(bytes))
      return Buffer.concat(pieces)
    },
    async copy(name, to, most) {
      const hash = sha256()
      const copy = await open(to, 'w', 0o600)
      try {
        await pass(name, most, async (bytes) => {
          hash.update(bytes)
          await copy.writeFile(bytes)
        })
      } finally {
        await copy.close()
      }
      return hash.digest('hex')
    },
  }
}

async function openNoLink(path: string, name: string, flag: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, O_RDONLY | O_NOFOLLOW | flag)
  } catch (error) {
    const code = systemCode(error) ?? ''
    if (code === 'ENOENT') return undefined
    if (['ELOOP', 'ENOTDIR', 'ENXIO', 'EMLINK'].includes(code))
      throw new UpdateFailure(`${name} of what the agent fetched is a link, or something else that it should not be`)
    throw error
  }
}

const tooLarge = (name: string, most: number): UpdateFailure =>
  new UpdateFailure(`${name} of what the agent fetched is larger than ${formatBytes(most)}`)
