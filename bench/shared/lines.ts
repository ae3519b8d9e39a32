import { createInterface } from 'node:readline'
import type { Line } from '../processes.ts'

// The two sides of a process that is measured from outside: it waits to be told to go on, and says in lines of JSON how
// far it is.

/** Tells whoever started this process. */
export const tell = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

/** What this process was started with, as its one argument. */
export const taskOf = (): unknown => JSON.parse(process.argv[2] ?? '{}')

const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Waits for the next `go`. @throws Error when nobody is left to say so */
export async function toldToGo(): Promise<void> {
  const next = await told.next()
  if (next.done) throw new Error('whoever measures is gone')
}

/** Nobody is left to measure for; to be called when all is done, for a reader of standard input keeps a process. */
export function done(): void {
  process.stdin.destroy()
}

/** Processor seconds of this process so far. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
