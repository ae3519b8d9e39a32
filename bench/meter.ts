import { readFile } from 'node:fs/promises'

/** ms between two looks at what ends before the last one can be taken. */
const LOOK_MS = 100
/** /proc counts processor time in ticks of 10 ms. */
const TICKS_PER_SECOND = 100

/** What one end has used. */
export interface Use {
  /** Processor time in seconds, user and system, of all threads and of every process that it started. */
  cpu: number
  /** The most memory that was resident at a time since its start, in bytes: the kernel's own mark (VmHWM). */
  peak: number
}

export interface Measured extends Use {
  /** Resident memory in the course of time, in bytes: the highest of each tenth. It is flat if nothing gathers. */
  course: number[]
}

export interface Meter {
  /** What has been used since the meter was started; the peak since the process was. */
  stop(): Promise<Measured>
}

/** Measures a process and what it starts. */
export async function startMeter(pid: number): Promise<Meter> {
  const before = (await useOf(pid)).cpu
  let peak = 0
  const residents: number[] = []
  const look = async (): Promise<Use> => {
    const use = await useOf(pid)
    peak = Math.max(peak, use.peak)
    residents.push(await memoryOf(pid, 'VmRSS'))
    return use
  }
  const looking = setInterval(() => void look().catch(() => undefined), LOOK_MS)
  return {
    async stop() {
      clearInterval(looking)
      const { cpu } = await look()
      return { cpu: cpu - before, peak, course: tenths(residents) }
    },
  }
}

function tenths(values: readonly number[]): number[] {
  const step = Math.max(1, Math.ceil(values.length / 10))
  return Array.from({ length: Math.ceil(values.length / step) }, (_, tenth) =>
    Math.max(...values.slice(tenth * step, (tenth + 1) * step)),
  )
}

async function useOf(pid: number): Promise<Use> {
  const children = await childrenOf(pid)
  const [own, ...below] = await Promise.all([
    ownUse(pid),
    // One that has just ended counts as its parent's child that was waited for.
    ...children.map((child) => useOf(child).catch(() => ({ cpu: 0, peak: 0 }))),
  ])
  return below.reduce((sum, use) => ({ cpu: sum.cpu + use.cpu, peak: sum.peak + use.peak }), own)
}

async function ownUse(pid: number): Promise<Use> {
  // The name in parentheses may hold spaces. Of what follows: utime, stime, and those of children that have ended.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? []
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { cpu: ticks / TICKS_PER_SECOND, peak: await memoryOf(pid, 'VmHWM') }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

async function memoryOf(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) * 1024
}
