import { closeSync, fstatSync, mkdirSync, openSync, realpathSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Of one file, in bytes; there are two. */
const LARGEST = 10 * 1024 * 1024

/**
 * Lines in a file, for a service that nobody keeps the output of; a full one becomes `FILE.1`. A line that cannot be written
 * is lost, and ends nothing. What is no regular file, as /dev/null, is written to and never put away.
 * @throws what the system says when the file cannot be opened
 */
export function openLogFile(path: string, largest = LARGEST): { write(line: string): void } {
  mkdirSync(dirname(path), { recursive: true })
  const open = (): number => openSync(path, 'a', 0o600)
  let file: number | undefined = open()
  const stats = fstatSync(file)
  const regular = stats.isFile()
  // A link stays one: the file is where it leads.
  const real = regular ? realpathSync(path) : path
  let { size } = stats
  let torn = false

  const turn = (full: number): void => {
    file = undefined
    // Where it cannot be put away, for somebody reads it, it grows by as much again.
    size = 0
    torn = false
    closeSync(full)
    renameSync(real, `${real}.1`)
  }

  return {
    write(line) {
      try {
        if (regular && size >= largest && file !== undefined) turn(file)
      } catch {
        // It is opened again below.
      }
      try {
        file ??= open()
        // What there was no room for may have left half of a line, which must not spoil this one.
        const bytes = Buffer.from(torn ? `\n${line}` : line)
        const written = writeSync(file, bytes)
        size += written
        if (written > 0) torn = written < bytes.length
      } catch {
        // There is nowhere to say so.
      }
    },
  }
}
