import { isSea } from 'node:sea'

/**
 * What glibc's memory allocator reads when a process starts (mallopt(3)): one arena for all threads, which gives back what is
 * free at its end. By itself it has one for each thread, and keeps what jobs needed.
 */
const settings = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' }

/** An executable starts itself again with them, in the same process, before it has done anything else. */
function tuneMalloc(): void {
  const { platform, env, execPath, argv } = process
  if (platform !== 'linux' || !isSea() || env['MALLOC_ARENA_MAX'] !== undefined) return
  process.execve?.(execPath, [argv[0] ?? execPath, ...argv.slice(2)], { ...env, ...settings })
}

tuneMalloc()
