import { open, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../shared/errors.ts'
import { makeFolder } from '../shared/folder.ts'
import { escapeJson } from '../shared/format.ts'
import type { Log } from '../shared/log.ts'
import { renameFile } from '../shared/rename.ts'

/** What was read of this site, and for whom: kept here, whatever the server says of it. */
export interface ReadLog {
  /** Before the first byte is read; on disk when it returns. */
  note(read: Read): Promise<void>
}

export interface Read {
  path: string
  /** Bytes. */
  size: number
  job: string
  attempt: number
  /** The name of the token that it was asked for with, as the server says; null where none was needed. */
  askedBy: string | null
}

const FILE = 'reads.log'
/** Of one file, in bytes; there are two. */
const LARGEST = 10 * 1024 * 1024

/** Lines of JSON in `reads.log` in `dir`; a full one becomes `reads.log.1`. */
export function createReadLog({ dir, log, now }: { dir: string; log: Log; now: () => Date }): ReadLog {
  const path = join(dir, FILE)
  let last: Promise<void> = Promise.resolve()
  let warned = false

  const append = async (line: string): Promise<void> => {
    await makeFolder(dir, 0o700)
    const file = await open(path, 'a+', 0o600)
    try {
      // A full disk or a power cut may have left half of a line, which must not spoil this one.
      await file.appendFile((await endsLine(file)) ? line : `\n${line}`)
      await file.datasync()
    } finally {
      await file.close()
    }
    if ((await stat(path)).size > LARGEST) await renameFile(path, `${path}.1`)
  }

  const write = async (line: string): Promise<void> => {
    try {
      await append(line)
    } catch (error) {
      if (!warned) log.warn({ path, error: messageOf(error) }, 'what is read cannot be written down. Set STATE_DIR')
      warned = true
    }
  }

  return {
    note: (read) =>
      (last = last.then(() => write(`${escapeJson(JSON.stringify({ at: now().toISOString(), ...read }))}\n`))),
  }
}

/** Whether a file is empty, or its last line whole. */
async function endsLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  if (size === 0) return true
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer.toString() === '\n'
}
