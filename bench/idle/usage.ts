import { readFile } from 'node:fs/promises'
import { pause } from '../../shared/wait.ts'

/** What a process's main thread has had of the processors so far, in seconds. */
export interface Processor {
  ran: number
  /** It could have run, and another had the processor. */
  waited: number
}

const SAMPLES = 20
const SAMPLE_MS = 250

/** Resident memory in KiB, the mean over 5 s: a garbage collection comes and goes. */
export async function residentKiB(pid: number): Promise<number> {
  let sum = 0
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    sum += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
    await pause(SAMPLE_MS)
  }
  return sum / SAMPLES
}

export async function processorOf(pid: number): Promise<Processor> {
  const [ran, waited] = (await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ')
  return { ran: Number(ran) / 1e9, waited: Number(waited) / 1e9 }
}
