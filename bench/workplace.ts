import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const memory = '/dev/shm'

/** Where the files of a measurement lie, for all peers alike. */
export interface Workplace {
  folder: string
  /** For the report: `memory (/dev/shm)`. */
  kind: string
  remove(): Promise<void>
}

/**
 * A folder in memory where that has the room, else on the disk of temporary files: what is measured is the programs and
 * not the disk.
 * @param room bytes
 */
export async function makeWorkplace(given: string | undefined, room: number): Promise<Workplace> {
  const inMemory = given === undefined && (await fitsMemory(room))
  const folder = await mkdtemp(join(given ?? (inMemory ? memory : tmpdir()), 'backhaul-bench-'))
  return {
    folder,
    kind: inMemory ? `memory (${memory})` : given === undefined ? 'the disk of temporary files' : 'a folder as given',
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

async function fitsMemory(room: number): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(memory)
    const available = Number(/MemAvailable:\s+(\d+)/.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]) * 1024
    // What the programs themselves need stays free.
    return Math.min(bavail * bsize, available - 2 ** 30) > room
  } catch {
    return false
  }
}
