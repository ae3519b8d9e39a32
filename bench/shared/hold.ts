import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../tests/helpers/until.ts'

/** The kernel hands out time anew so often, in µs: seldom, and what is held would stand still for long. */
const PERIOD_US = 20_000

/** Where groups of processes are held to a share: version 1 has a tree for processors alone, version 2 one for all. */
const trees = [
  { folder: '/sys/fs/cgroup/cpu', version: 1 },
  { folder: '/sys/fs/cgroup/cpu,cpuacct', version: 1 },
  { folder: '/sys/fs/cgroup', version: 2 },
  { folder: '/sys/fs/cgroup/unified', version: 2 },
] as const
type Tree = (typeof trees)[number]

/** Processes that are held. */
export interface Hold {
  /** Lets them go; to be called in any case, before or after their end. */
  release(): Promise<void>
}

let made = 0

/** Why nothing can be held here, if so. */
export function holdLacking(): string | undefined {
  const tree = treeOf()
  if (!tree) return 'no cgroup with processors in it'
  try {
    const group = makeGroup(tree, 0.5)
    rmdirSync(group)
    return undefined
  } catch (error) {
    return `cgroups cannot be written here: ${(error as Error).message}`
  }
}

/**
 * Holds a process, with what it has started, to a share of one core.
 * @throws Error where that cannot be, for which `holdLacking` has the words
 */
export async function holdTo(pid: number, share: number): Promise<Hold> {
  const tree = treeOf()
  if (!tree) throw new Error(holdLacking())
  const group = makeGroup(tree, share)
  move(withChildren(pid), group)
  return {
    async release() {
      const held = readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
      move(held, tree.folder)
      // A process that has just ended is there for a moment longer.
      await until('a group of processes to be removed', async () => removed(group))
    },
  }
}

function treeOf(): Tree | undefined {
  return trees.find(({ folder, version }) =>
    version === 1 ? existsSync(join(folder, 'cpu.cfs_quota_us')) : controllersOf(folder).includes('cpu'),
  )
}

function controllersOf(folder: string): string[] {
  const file = join(folder, 'cgroup.controllers')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : []
}

/** @returns the folder of a new group that has this share of one core */
function makeGroup({ folder, version }: Tree, share: number): string {
  if (version === 2) writeFileSync(join(folder, 'cgroup.subtree_control'), '+cpu')
  const group = join(folder, `backhaul-bench-${process.pid}-${(made += 1)}`)
  mkdirSync(group)
  const quota = Math.round(PERIOD_US * share)
  try {
    if (version === 2) writeFileSync(join(group, 'cpu.max'), `${quota} ${PERIOD_US}`)
    else {
      writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US))
      writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota))
    }
  } catch (error) {
    rmdirSync(group)
    throw error
  }
  return group
}

function move(pids: readonly number[], group: string): void {
  for (const pid of pids) {
    try {
      writeFileSync(join(group, 'cgroup.procs'), String(pid))
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

function withChildren(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  return [pid, ...children.flatMap(withChildren)]
}

function removed(group: string): boolean {
  try {
    rmdirSync(group)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false
    throw error
  }
}
