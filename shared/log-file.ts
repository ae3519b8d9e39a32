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

  const turn = (full: number): void => {
    file = undefined
    // Where it cannot be put away, for somebody reads it, it grows by as much again.
    size = 0
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
        size += writeSync(file, line)
      } catch {
        // There is nowhere to say so.
      }
    },
  }
}
