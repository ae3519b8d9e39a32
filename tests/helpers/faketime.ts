import { globSync } from 'node:fs'

/** Where faketime keeps its library: by the machine's kind on Debian, in lib64 or lib elsewhere; undefined without it. */
export function faketimeLibrary(): string | undefined {
  return globSync('/usr/{lib/*,lib64,lib}/faketime/libfaketime.so.1')[0]
}

/**
 * The environment of a process whose clocks are wrong, or fast. The library by itself: the program `faketime` ends with
 * "sem_open: File exists" where a killed process of the same pid left its semaphore; the library goes on without one.
 *
 * @param fake as in faketime's manual: `+20y`, `+0 x10`
 * @param options.monotonicToo whether the clock that time-outs go by is wrong, too
 * @throws Error without the library
 */
export function fakeClock(fake: string, { monotonicToo = true } = {}): Record<string, string> {
  const library = faketimeLibrary()
  if (library === undefined)
    throw new Error(
      'no libfaketime.so.1 in /usr/lib/*/faketime, /usr/lib64/faketime or /usr/lib/faketime: install faketime',
    )
  return { LD_PRELOAD: library, FAKETIME: fake, ...(monotonicToo ? {} : { FAKETIME_DONT_FAKE_MONOTONIC: '1' }) }
}
