import { open, readFile, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '../../../shared/digest.ts'
import { systemCode } from '../../../shared/errors.ts'
import type { ReleaseStore } from '../../update-ports.ts'
import { isNewer } from '../../../shared/version-order.ts'
import { readRange } from './reader.ts'

/** What says what else there is, and who made it. */
const lists = ['SHA256SUMS', 'SHA256SUMS.sig', 'release.pub']

/** The release in a folder, as `npm run build:agent` makes it: only what its SHA256SUMS lists is handed out. */
export function openReleaseFolder(folder: string): ReleaseStore {
  let known: { stamp: string; versions: ReadonlyMap<string, string> } | undefined

  const listed = async (): Promise<{ name: string; sha256: string }[]> => {
    const sums = await readFile(join(folder, 'SHA256SUMS'), 'utf8')
    const lines = sums.split('\n').map((line) => /^([0-9a-f]{64})  ([A-Za-z0-9][\w.+-]*)$/.exec(line))
    return lines.flatMap((match) => (match ? [{ sha256: match[1]!, name: match[2]! }] : []))
  }

  /** The SHA-256 of a file that the release has. */
  const digestOf = async (name: string): Promise<string | undefined> => {
    if (lists.includes(name))
      return sha256()
        .update(await readFile(join(folder, name)))
        .digest('hex')
    return (await listed()).find((entry) => entry.name === name)?.sha256
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

    async versions() {
      try {
        // Asked with every list of clients: it is read again when it is another file, or was written to.
        const { ino, size, mtimeMs } = await stat(join(folder, 'SHA256SUMS'))
        const stamp = `${ino} ${size} ${mtimeMs}`
        if (known?.stamp !== stamp) known = { stamp, versions: newestOf((await listed()).map(({ name }) => name)) }
        return known.versions
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return new Map()
        throw error
      }
    },
  }
}

/** By platform, of executables as releases name them: `backhaul-agent-1.2.3-linux-x64.gz`. */
function newestOf(names: readonly string[]): ReadonlyMap<string, string> {
  const newest = new Map<string, string>()
  for (const name of names) {
    const [, version = '', platform = ''] = /^backhaul-agent-(.{1,60})-([a-z0-9]+-[a-z0-9]+)\.gz$/.exec(name) ?? []
    const before = newest.get(platform)
    if (version !== '' && (before === undefined || isNewer(version, before))) newest.set(platform, version)
  }
  return newest
}
