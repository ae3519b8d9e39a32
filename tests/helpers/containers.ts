import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { lacking, type Needs } from './lacking.ts'
import { projectFolder } from './process.ts'

/** A script to source, which sets Debian's podman up where there is no Docker engine; it needs root. */
export const podmanScript = process.env['PODMAN_SCRIPT'] ?? join(projectFolder, '..', 'shared', 'containers', 'env.sh')

/** An engine for containers, and a place for their network. */
export interface Engine {
  command: 'docker' | 'podman'
  /** For `test-guide.sh`. */
  compose: string
  /** Builds an image of the folder `cwd`, with the network of this machine. @throws Error with what was printed */
  build(cwd: string, ...args: string[]): Promise<void>
  /**
   * Runs a program where the containers' ports are, in `cwd`.
   * @returns what it printed, and its exit code
   */
  run(command: readonly string[], options?: RunOptions): Promise<Ran>
  /** Ends the place of the network, if it was a place of its own. */
  stop(): Promise<void>
}

export interface RunOptions {
  cwd?: string
  input?: string
  env?: Record<string, string>
}

export interface Ran {
  code: number
  stdout: string
  /** What it printed on both. */
  output: string
}

const dockerHere = (): boolean => lacking({ programs: ['docker'] }).length === 0 && succeeds('docker', ['info'])

function succeeds(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** What is needed to run containers here: an engine, or the means to have one. */
export function needsOfContainers(): Needs {
  const common = { long: true, programs: ['curl', 'md5sum'] }
  if (dockerHere()) return common
  return {
    ...common,
    programs: [...common.programs, 'nsenter'],
    root: true,
    path: podmanScript,
    probe: 'unshare --net --mount true',
  }
}

export async function startEngine(): Promise<Engine> {
  if (dockerHere()) {
    const run = runner({})
    return {
      command: 'docker',
      compose: 'docker compose',
      build: builder(run, ['docker', 'build']),
      run,
      stop: async () => {},
    }
  }
  const env = podmanEnvironment()
  const { BUILD_ARGS = '' } = env
  // The engine makes bridges and rules of its own, and keeps one name server for all: not those of this machine.
  const prepare = 'ip link set lo up && mkdir -p /run/containers && mount -t tmpfs none /run/containers'
  const place = spawn('unshare', ['--net', '--mount', 'sh', '-c', `${prepare} && echo up && exec cat`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(place.stdout, 'data')
  const spaces = `/proc/${place.pid}/ns`
  const within = ['nsenter', `--net=${spaces}/net`, `--mount=${spaces}/mnt`, 'sh', '-c', 'cd "$0" && exec "$@"']
  return {
    command: 'podman',
    compose: 'podman-compose',
    build: builder(runner(env), ['podman', 'build', ...BUILD_ARGS.split(' ')]),
    run: runner(env, within),
    async stop() {
      const ended = once(place, 'exit')
      place.stdin.end()
      await ended
    },
  }
}

/** What the script sets, by name. */
function podmanEnvironment(): Record<string, string> {
  const printed = execFileSync('bash', ['-c', 'source "$0" >&2 && env -0', podmanScript], {
    cwd: projectFolder,
    maxBuffer: 1 << 24,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return Object.fromEntries(
    printed
      .split('\0')
      .filter((line) => line !== '')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}

function builder(run: Engine['run'], command: readonly string[]): Engine['build'] {
  return async (cwd, ...args) => {
    const { code, output } = await run([...command, ...args, '.'], { cwd })
    if (code !== 0) throw new Error(`${command.slice(0, 2).join(' ')} ${args.join(' ')} ended with ${code}:\n${output}`)
  }
}

/** @param within a command that runs another in the folder that it is told first */
function runner(base: Record<string, string>, within: readonly string[] = []): Engine['run'] {
  return ([...given], { cwd = projectFolder, input, env = {} } = {}) =>
    new Promise((resolve) => {
      const [command = '', ...args] = within.length === 0 ? given : [...within, cwd, ...given]
      const options = { cwd, env: { ...process.env, ...base, ...env }, maxBuffer: 1 << 24 }
      const child = execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, stdout, output: stdout + stderr })
      })
      // Nobody has to read it.
      child.stdin?.on('error', () => {})
      child.stdin?.end(input ?? '')
    })
}
