import { open, readFile } from 'node:fs/promises'
import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { ask, finished, startBenchStack } from './stack.ts'

// Resident memory of both ends while a file passes: the kernel's own high-water mark (VmHWM), and the course of it.
// node bench/memory.ts [MIB] [sparse]
const MiB = 1024 * 1024
const sizeMiB = Number(process.argv[2] ?? 1024)
const sparse = process.argv[3] === 'sparse'

async function writeFileOf(path: string): Promise<void> {
  const file = await open(path, 'w')
  const block = Buffer.alloc(MiB)
  const real = sparse ? 0 : sizeMiB
  for (let written = 0; written < real; written += 1) await file.write(randomFillSync(block))
  await file.truncate(sizeMiB * MiB)
  await file.close()
}

async function memoryMiB(pid: number, field: 'VmHWM' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024)
}

/** Looks every second until `work` has ended. @returns what was seen, in MiB */
async function watched(pids: number[], work: Promise<void>): Promise<number[][]> {
  const seen: number[][] = []
  const looking = setInterval(() => {
    void Promise.all(pids.map((pid) => memoryMiB(pid, 'VmRSS'))).then((memory) => seen.push(memory))
  }, 1000)
  await work.finally(() => clearInterval(looking))
  return seen
}

/** The highest of each tenth of the time: flat, if it does not grow with the bytes that have passed. */
function course(values: number[]): string {
  const step = Math.max(1, Math.ceil(values.length / 10))
  const tenths = Array.from({ length: Math.ceil(values.length / step) }, (_, at) =>
    values.slice(at * step, (at + 1) * step),
  )
  return tenths.map((tenth) => Math.max(...tenth)).join(' ')
}

/** User and system time so far, in seconds (/proc counts in ticks of 10 ms). */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const stack = await startBenchStack()
try {
  const file = join(stack.folder, 'big.bin')
  await writeFileOf(file)
  const agentPid = await stack.agent('site', ['--file', file])
  const ends = [
    { name: 'server', pid: stack.serverPid },
    { name: 'agent', pid: agentPid },
  ]
  const measure = () =>
    Promise.all(ends.map(async ({ pid }) => ({ peak: await memoryMiB(pid, 'VmHWM'), cpu: await cpuSeconds(pid) })))
  const before = await measure()
  const begunAt = performance.now()
  const pids = ends.map(({ pid }) => pid)
  const seen = await watched(pids, finished(stack.url, await ask(stack.url, 'site')))
  const seconds = (performance.now() - begunAt) / 1000
  const after = await measure()
  process.stdout.write(`${sizeMiB} MiB${sparse ? ', sparse,' : ''} in ${seconds.toFixed(1)} s, verified\n`)
  for (const [index, { name }] of ends.entries()) {
    const cpu = (after[index]?.cpu ?? 0) - (before[index]?.cpu ?? 0)
    const peaks = `peak resident ${before[index]?.peak} MiB before, ${after[index]?.peak} MiB after`
    process.stdout.write(`  ${name.padEnd(6)}  ${peaks}; CPU ${cpu.toFixed(1)} s\n`)
    process.stdout.write(
      `          highest of each tenth of the time: ${course(seen.map((all) => all[index] ?? 0))} MiB\n`,
    )
  }
} finally {
  await stack.stop()
}
