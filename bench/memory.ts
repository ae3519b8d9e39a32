import { open, readFile } from 'node:fs/promises'
import { randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { ask, finished, startBenchStack } from './stack.ts'

// Peak resident memory of both ends while a file passes: the kernel's own high-water mark (VmHWM).
// node --import tsx bench/memory.ts [MIB]
const MiB = 1024 * 1024
const sizeMiB = Number(process.argv[2] ?? 1024)

async function writeFileOf(path: string): Promise<void> {
  const file = await open(path, 'w')
  const block = Buffer.alloc(MiB)
  for (let written = 0; written < sizeMiB; written += 1) await file.write(randomFillSync(block))
  await file.close()
}

async function peakMiB(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return (Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)
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
    Promise.all(ends.map(async ({ pid }) => ({ peak: await peakMiB(pid), cpu: await cpuSeconds(pid) })))
  const before = await measure()
  const begunAt = performance.now()
  await finished(stack.url, await ask(stack.url, 'site'))
  const seconds = (performance.now() - begunAt) / 1000
  const after = await measure()
  process.stdout.write(`${sizeMiB} MiB in ${seconds.toFixed(1)} s, verified\n`)
  for (const [index, { name }] of ends.entries()) {
    const cpu = (after[index]?.cpu ?? 0) - (before[index]?.cpu ?? 0)
    const peaks = `peak resident ${before[index]?.peak} MiB before, ${after[index]?.peak} MiB after`
    process.stdout.write(`  ${name.padEnd(6)}  ${peaks}; CPU ${cpu.toFixed(1)} s\n`)
  }
} finally {
  await stack.stop()
}
