import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** What a test needs that a user's machine may lack. */
export interface Needs {
  /** Programs on the PATH. */
  programs?: readonly string[]
  /** The rights of root, as for mounting. */
  root?: boolean
  /** A file or folder. */
  path?: string
  /** A shell command that succeeds only where the test can be: a container's root may mount nothing. */
  probe?: string
  /** What was found out otherwise, as "needs …"; none is fine. */
  otherwise?: string | undefined
  /** It holds of one server with stores of its own, and not where servers share them. */
  own?: boolean
  /** Too long for every day, mostly because real limits must pass: it runs with BACKHAUL_TESTS=all only. */
  long?: boolean
}

/** Programs of the system's administrator lie outside of a user's PATH. */
export const administratorsPath = `${process.env['PATH']}:/usr/sbin:/sbin`

const succeeds = (command: string): boolean =>
  spawnSync('sh', ['-c', command], { env: { PATH: administratorsPath } }).status === 0

/** What of it is not here, in words; nothing when all is. */
export function lacking({ programs = [], root, path: file, probe, otherwise, own, long }: Needs): string[] {
  const absent = programs.filter((program) => !succeeds(`command -v ${program}`))
  const isRoot = process.getuid?.() === 0
  return [
    ...(absent.length > 0 ? [`needs ${absent.join(' and ')}, not installed here`] : []),
    ...(root && !isRoot ? ['needs root'] : []),
    ...(probe && isRoot && absent.length === 0 && !succeeds(probe) ? ['needs rights that root lacks here'] : []),
    ...(file !== undefined && !existsSync(file) ? [`needs ${file}`] : []),
    ...(otherwise === undefined ? [] : [otherwise]),
    ...(own && process.env['BACKHAUL_STORES'] === 'shared' ? ['is about one server with stores of its own'] : []),
    ...(long && process.env['BACKHAUL_TESTS'] !== 'all' ? ['takes long; BACKHAUL_TESTS=all runs it'] : []),
  ]
}
