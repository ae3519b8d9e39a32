import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { pause } from '../shared/wait.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
/** ms for a process to end by itself before it is killed. */
const ending = 10_000

/** A line of a process's log; pino's fields and whatever else the line holds. */
export type LogLine = Record<string, unknown>

export interface StartOptions {
  name: string
  /** A program of this project and its arguments, such as `server/main.ts`. */
  command: string[]
  env?: Record<string, string>
  logPath: string
}

export interface Processes {
  /** Starts a process, whose output goes to a file. */
  start(options: StartOptions): Started
  /** Rejects when any of them ends before `stop` is called. Never resolves. */
  readonly broken: Promise<never>
  /** Ends all of them, and resolves when they have ended. Safe to call twice. */
  stop(): Promise<void>
}

export interface Started {
  /** The first line of its log for which `test` is true. */
  line(test: (line: LogLine) => boolean): Promise<LogLine>
}

/** Child processes that live as long as the demonstration. */
export function createProcesses(): Processes {
  const children: ChildProcess[] = []
  const { promise: broken, reject } = Promise.withResolvers<never>()
  // Whoever waits for something races with it; until then, its rejection is nobody's.
  broken.catch(() => undefined)
  let stopping = false

  return {
    broken,

    start({ name, command, env = {}, logPath }) {
      const child = spawn(process.execPath, ['--import', './shared/compile-cache.js', ...command], {
        cwd: project,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      children.push(child)
      const log = createWriteStream(logPath)
      log.on('error', reject)
      child.stdout.pipe(log, { end: false })
      child.stderr.pipe(log, { end: false })
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        if (!stopping) reject(new Error(`${name} ended with ${signal ?? `code ${code}`}; its log is ${logPath}.`))
      })
      const lines = createInterface({ input: child.stdout })

      return {
        line: (test) =>
          new Promise((resolve) => {
            lines.on('line', (text) => {
              const line = parseLine(text)
              if (line && test(line)) resolve(line)
            })
          }),
      }
    },

    async stop() {
      stopping = true
      await Promise.all(children.map(end))
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const inTime = new AbortController()
  await Promise.race([ended, pause(ending, inTime.signal).then(() => child.kill('SIGKILL'))])
  inTime.abort()
  await ended
}

function parseLine(text: string): LogLine | undefined {
  try {
    const line: unknown = JSON.parse(text)
    return typeof line === 'object' && line !== null ? (line as LogLine) : undefined
  } catch {
    // A line for people among the JSON ones; it is in the log file.
    return undefined
  }
}
