import { spawnSync } from 'node:child_process'
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { administratorsPath, lacking } from '../helpers/lacking.ts'

/** A disk of its own for the server: a file system in a file. */
export interface Disk {
  folder: string
  /** Leaves no room. */
  fill(): void
  free(): Promise<void>
  close(): Promise<void>
}

const MiB = 1024 * 1024

/** What is lacking to make one, in words. */
export const diskLacks = (): string[] =>
  lacking({ root: true, programs: ['mkfs.ext4', 'mount', 'umount', 'fallocate'] })

/** @param size bytes; the file is sparse @throws Error naming the command that failed */
export async function mountDisk(at: string, size: number): Promise<Disk> {
  const image = join(at, 'disk.img')
  const folder = join(at, 'disk')
  const filler = join(folder, 'filler')
  await writeFile(image, '')
  await truncate(image, size)
  await mkdir(folder)
  run('mkfs.ext4', '-q', '-m', '0', '-F', image)
  run('mount', '-o', 'loop', image, folder)
  return {
    folder,
    fill() {
      // Large pieces first, so that nothing is left in the end.
      for (let piece = 1024 * MiB, from = 0; piece >= 4096;) {
        const got = spawnSync('fallocate', ['-o', String(from), '-l', String(piece), filler]).status === 0
        if (got) from += piece
        else piece /= 2
      }
    },
    free: () => rm(filler, { force: true }),
    async close() {
      run('umount', '--lazy', folder)
      await rm(image)
    },
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { env: { PATH: administratorsPath } })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr.toString().trim()}`)
}
