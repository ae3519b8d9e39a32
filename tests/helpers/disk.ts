import { mkdir, open, readFile, readdir, rename, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { run } from './commands.ts'
import { temporaryFolder } from './folder.ts'

/** What a test that makes a disk needs. */
export const diskNeeds = {
  root: true,
  programs: ['mkfs.ext4', 'mount', 'e2fsck', 'fallocate'],
  probe: 'losetup --find && unshare --mount mount -t tmpfs tmpfs /mnt',
} as const

/** A small disk of its own: a file system in a file, mounted. */
export interface Disk {
  folder: string
  free(): Promise<number>
  /** Fills it up with a file, but for `leave` bytes; without any, until it takes nothing more. */
  fill(leave?: number): Promise<void>
  /** Removes the file that filled it. */
  relieve(): Promise<void>
  /** Gives a disk `within` a memory disk the room that it says it has. */
  grow(): Promise<void>
  /** Makes the kernel find an error in the file system: it turns read-only under whoever uses it. */
  breakIt(): Promise<void>
  /** Unmounts, repairs and mounts it; nobody may use it meanwhile. */
  repair(): Promise<void>
  /** As a power cut does: what was not synced is gone. Nobody may use it meanwhile. */
  loseUnsynced(): Promise<void>
  /** Unmounts it and removes everything. */
  remove(): Promise<void>
}

const KiB = 1024
const MiB = 1024 * KiB

/** @param options `within`: an image of `size` bytes lies in a memory disk of so many bytes, and so has less room than it says */
export async function makeDisk({ size, within }: { size: number; within?: number }): Promise<Disk> {
  const { folder: place, remove: removePlace } = await temporaryFolder()
  const [folder, backing] = [join(place, 'disk'), join(place, 'backing')]
  await Promise.all([mkdir(folder), mkdir(backing)])
  if (within !== undefined) await run('mount', '-t', 'tmpfs', '-o', `size=${within}`, 'tmpfs', backing)
  const image = join(backing, 'image')
  await (await open(image, 'w')).close()
  await run('truncate', '-s', String(size), image)
  // Nothing is kept back for root. Where the disk runs out under the file system, its journal would be the first to fail.
  await run('mkfs.ext4', '-q', '-m', '0', ...(within === undefined ? [] : ['-O', '^has_journal']), image)
  const mount = () => run('mount', '-o', 'loop,errors=remount-ro', image, folder)
  await mount()

  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  }

  const filler = join(folder, 'filler')
  const take = (from: number, bytes: number): Promise<boolean> =>
    run('fallocate', '-o', String(from), '-l', String(bytes), filler).then(
      () => true,
      () => false,
    )

  return {
    folder,
    free,
    async fill(leave) {
      // Large pieces first, so that nothing is left in the end.
      for (let piece = 1024 * MiB, from = 0; piece >= 4 * KiB;) {
        const fits = leave === undefined || (await free()) - leave >= piece
        if (fits && (await take(from, piece))) from += piece
        else piece /= 2
      }
    },
    relieve: () => rm(filler, { force: true }),
    grow: async () => void (await run('mount', '-o', `remount,size=${2 * size}`, backing)),
    async breakIt() {
      await run('sh', '-c', `echo broken by a test > /sys/fs/ext4/${await deviceOf(folder)}/trigger_fs_error`)
    },
    async repair() {
      await run('umount', folder)
      // 1: errors were found and mended.
      await run('e2fsck', '-fy', image).catch((error: { code?: number }) => {
        if (error.code !== 1) throw error
      })
      await mount()
    },
    async loseUnsynced() {
      // What the file system has not written back is not in its image.
      const kept = `${image}.kept`
      await run('cp', '--sparse=always', image, kept)
      await run('umount', folder)
      await rename(kept, image)
      await mount()
    },
    async remove() {
      for (const mounted of [folder, ...(within === undefined ? [] : [backing])]) await run('umount', mounted)
      await removePlace()
    },
  }
}

/** `loop3` for what is mounted at a folder. */
async function deviceOf(folder: string): Promise<string> {
  const mounts = await readFile('/proc/mounts', 'utf8')
  const device = mounts.split('\n').find((line) => line.split(' ')[1] === folder)
  return basename(device?.split(' ')[0] ?? '')
}

/** Leaves a process no more open files than it has now. @returns what lifts the limit again */
export async function limitOpenFiles(pid: number): Promise<() => Promise<void>> {
  const before = (await run('prlimit', '--pid', String(pid), '--nofile', '--output', 'SOFT', '--noheadings')).trim()
  const taken = new Set(await readdir(`/proc/${pid}/fd`))
  let lowest = 0
  while (taken.has(String(lowest))) lowest += 1
  await run('prlimit', '--pid', String(pid), `--nofile=${lowest}:`)
  return async () => void (await run('prlimit', '--pid', String(pid), `--nofile=${before}:`))
}
