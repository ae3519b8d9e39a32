import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { pause } from '../shared/wait.ts'

export const projectFolder = fileURLToPath(new URL('..', import.meta.url))

/** ms for a process to end by itself before it is killed. */
const ENDING_MS = 10_000

export type Line = Record<string, unknown>

/** A process that is measured. */
export interface Started {
  pid: number
  /** The first line of JSON that it prints for which `match` holds, past ones included. Rejects when it ends first. */
  line(match: (line: Line) => boolean): Promise<Line>
  /** Writes a line to its input: a client waits for that before it sends. */
  go(): void
  stop(): Promise<void>
}

export interface StartOptions {
  env?: Record<string, string> | undefined
  /** A command that runs it, as `ip netns exec NAME`. */
  within?: readonly string[] | undefined
}

/** Starts a program; what it says on standard error goes to ours. */
export function startProcess(command: readonly string[], { env = {}, within = [] }: StartOptions = {}): Started {
  const [program = '', ...args] = [...within, ...command]
  const child = spawn(program, args, {
    cwd: projectFolder,
    // Nothing of whoever measures changes a default.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
    // A group of its own: what it starts ends with it.
    detached: true,
  })
  const { pid = 0 } = child
  const lines: Line[] = []
  const listeners = new Set<() => void>()
  let ended = false
  const notify = (): void => {
    for (const listener of listeners) listener()
  }
  createInterface({ input: child.stdout }).on('line', (text) => {
    lines.push(...parsed(text))
    notify()
  })
  // Whoever writes to a process that has just ended hears of the end by `line`.
  child.stdin.on('error', () => undefined)
  const { promise: gone, resolve: leave } = Promise.withResolvers<void>()
  const onEnd = (): void => {
    ended = true
    notify()
    leave()
  }
  child.once('exit', onEnd)
  child.once('error', onEnd)

  return {
    pid,
    line: (match) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(match)
          if (!found && !ended) return
          listeners.delete(look)
          if (found) resolve(found)
          else reject(new Error(`${command.join(' ')} ended early`))
        }
        listeners.add(look)
        look()
      }),
    go: () => void child.stdin.write('go\n'),
    async stop() {
      if (ended) return
      process.kill(-pid, 'SIGTERM')
      const inTime = new AbortController()
      await Promise.race([gone, pause(ENDING_MS, inTime.signal)])
      if (!ended) process.kill(-pid, 'SIGKILL')
      inTime.abort()
      await gone
    },
  }
}

function parsed(text: string): Line[] {
  try {
    return [JSON.parse(text) as Line]
  } catch {
    return []
  }
}
