import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { messageOf } from '../shared/errors.ts'
import { pause } from '../shared/wait.ts'
import { isAbsent } from './allow.ts'

/** What a file said when it was looked at. */
export type Content = { text: string } | { absent: true } | { mistake: string }

/** Bytes; a timetable is a few lines. */
const LONGEST = 16 * 1024
const LOOK_EVERY_MS = 100

// A FIFO would wait for a writer.
const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/**
 * Watches a small file, which may be written, replaced, removed, or reached over links that change: it is read again and
 * again, for no notification of a file system tells of all that. Ends when the signal aborts; never throws.
 * @param known what it said last
 * @param onContent called with what else it says, once it says so twice in a row: a writer may have written half
 */
export async function watchFile({
  path,
  known,
  onContent,
  signal,
}: {
  path: string
  known: Content
  onContent: (content: Content) => void
  signal: AbortSignal
}): Promise<void> {
  let told = JSON.stringify(known)
  let before = told
  while (!signal.aborted) {
    const content = await look(path)
    const now = JSON.stringify(content)
    if (now !== told && now === before) {
      told = now
      onContent(content)
    }
    before = now
    await pause(LOOK_EVERY_MS, signal)
  }
}

/** Reads a text file of less than 16 KiB; never throws. */
export async function look(path: string): Promise<Content> {
  try {
    const file = await open(path, flags)
    try {
      if (!(await file.stat()).isFile()) return { mistake: 'is not a file' }
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST), 0, LONGEST, 0)
      if (bytesRead === LONGEST) return { mistake: `must be smaller than ${LONGEST} bytes` }
      return { text: buffer.toString('utf8', 0, bytesRead) }
    } finally {
      await file.close()
    }
  } catch (error) {
    return isAbsent(error) ? { absent: true } : { mistake: `cannot be read: ${messageOf(error)}` }
  }
}
