import { renameSync, writeFileSync } from 'node:fs'

/** A clock that one process sees, and that can jump; the machine's own is never touched. */
export interface FakeClock {
  /** What a process that is to see it needs in its environment. */
  env: Record<string, string>
  /** @param seconds away from the true time, forward or back */
  jump(seconds: number): void
}

/**
 * @param file says the time to the library, which reads it once a second
 * @param library undefined for the true time
 */
export function createClock(file: string, library: string | undefined): FakeClock {
  const write = (seconds: number): void => {
    // In one step: the library must never read half of it.
    writeFileSync(`${file}.new`, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}s\n`)
    renameSync(`${file}.new`, file)
  }
  if (library === undefined) return { env: {}, jump: () => undefined }
  write(0)
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      // Only the time of day jumps: time-outs and the times of files are the kernel's.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
    jump: write,
  }
}
