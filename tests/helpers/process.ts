import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { administratorsPath } from './lacking.ts'

export const projectFolder = join(import.meta.dirname, '..', '..')

/** A real process of the project, with what it has printed. */
export interface Running {
  child: ChildProcess
  pid: number
  output(): string
  /** The first JSON line for which `match` holds; waits for it. Rejects when the process ends first. */
  line(match: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  kill(signal: NodeJS.Signals): Promise<void>
  exited: Promise<number | null>
}

/**
 * Starts a file of the project as the scripts of package.json do.
 * @param within a command that runs it, as `ip netns exec NAME`
 */
export function start(
  file: string,
  args: string[],
  env: Record<string, string>,
  within: readonly string[] = [],
): Running {
  const node = [
    process.execPath,
    '--max-semi-space-size=2',
    '--heap-growing-percent=20',
    '--import',
    './shared/compile-cache.js',
    file,
    ...args,
  ]
  const [command = '', ...rest] = [...within, ...node]
  return watch(file, spawn(command, rest, optionsFor(env)))
}

/** Starts what `npm start` or `npm run agent` runs, without npm. */
export function startScript(script: 'start' | 'agent', args: string[], env: Record<string, string>): Running {
  const [command = '', ...rest] = commandOf(script)
  return watch(script, spawn(command, [...rest, ...args], optionsFor(env)))
}

/** The command behind one of our npm scripts, so that what is run is what users run. */
export function commandOf(script: 'start' | 'agent'): string[] {
  const { scripts } = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const [, ...rest] = (scripts[script] ?? '').split(' ')
  return [process.execPath, ...rest]
}

/** Starts `npm ARGS` in the project, as a user types it; signals go to npm and what it started. */
export function startNpm(args: string[], env: Record<string, string>): Running {
  return watch(`npm ${args.join(' ')}`, spawn('npm', args, { ...optionsFor(env), detached: true }), true)
}

/** Starts a program of the system; `as` is the user's and group's id when root should not run it. */
export function startProgram(command: string, args: string[], as?: number): Running {
  const owner = as === undefined ? {} : { uid: as, gid: as }
  return watch(command, spawn(command, args, { ...optionsFor({ PATH: administratorsPath }), ...owner, cwd: '/' }))
}

const optionsFor = (env: Record<string, string>) => ({
  cwd: projectFolder,
  env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'],
})

function watch(name: string, child: ChildProcessByStdio<null, Readable, Readable>, group = false): Running {
  let text = ''
  const seen: Record<string, unknown>[] = []
  const listeners = new Set<() => void>()
  let rest = ''
  child.stdout.on('data', (data: Buffer) => {
    text += data.toString()
    const lines = (rest + data.toString()).split('\n')
    rest = lines.pop() ?? ''
    seen.push(...lines.flatMap(parsed))
    for (const listener of listeners) listener()
  })
  child.stderr.on('data', (data: Buffer) => (text += data.toString()))
  const exited = once(child, 'exit').then(() => {
    for (const listener of listeners) listener()
    return child.exitCode
  })

  return {
    child,
    pid: child.pid ?? 0,
    output: () => text,
    exited,
    line: (match) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = seen.find(match)
          if (!found && child.exitCode === null && child.signalCode === null) return
          listeners.delete(look)
          if (found) resolve(found)
          else reject(new Error(`${name} ended before it printed the line:\n${text}`))
        }
        listeners.add(look)
        look()
      }),
    async kill(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return
      process.kill(group ? -(child.pid ?? 0) : (child.pid ?? 0), signal)
      await exited
    },
  }
}

function parsed(line: string): Record<string, unknown>[] {
  try {
    return [JSON.parse(line)]
  } catch {
    return []
  }
}
