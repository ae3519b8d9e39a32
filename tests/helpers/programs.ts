import { once } from 'node:events'
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'
import { startProgram } from './process.ts'
import { until } from './until.ts'

/** A program of the system that serves a port of its own, such as a proxy. */
export interface Program {
  port: number
  /** `127.0.0.1:PORT`, or another address of this machine. */
  address: string
  folder: string
  /** What it has logged so far, to its file `log` and to its output. */
  log(): Promise<string>
  /** Lets it stand still, its connections open, or go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  stop(): Promise<void>
}

export interface ProgramOptions {
  command: string
  /** Where it listens, 127.0.0.1 by default. */
  host?: string
  /** Its arguments, when its files lie in `folder`. */
  args: (folder: string) => string[]
  /** Its files by name; others beside them are its own. */
  files: (place: { host: string; port: number; folder: string }) => Record<string, string>
  /** Folders that it wants to find. */
  folders?: string[]
}

/** These programs will not be root, and drop its rights in ways of their own. */
const NOBODY = 65_534
const TRIES = 5

/** Starts a program on a free port, in a folder of its own, and waits until it takes connections. */
export async function startOnFreePort(options: ProgramOptions): Promise<Program> {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await startOnce(options)
    } catch (error) {
      // The port can be taken between the look and the start.
      if (left === 0) throw error
    }
  }
}

async function startOnce({ command, host = '127.0.0.1', args, files, folders = [] }: ProgramOptions): Promise<Program> {
  const { folder, remove } = await temporaryFolder()
  const port = await freePort(host)
  const written = Object.entries(files({ host, port, folder }))
  for (const name of folders) await mkdir(join(folder, name))
  for (const [name, text] of written) await writeFile(join(folder, name), text)
  const asRoot = process.getuid?.() === 0
  if (asRoot) {
    for (const name of ['', ...folders]) await chown(join(folder, name), NOBODY, NOBODY)
    await chmod(folder, 0o755)
  }
  const running = startProgram(command, args(folder), asRoot ? NOBODY : undefined)
  const log = async (): Promise<string> =>
    (await readFile(join(folder, 'log'), 'utf8').catch(() => '')) + running.output()
  const stop = async (): Promise<void> => {
    await running.kill('SIGKILL')
    await remove()
  }
  try {
    await until(`${command} to listen`, async () => {
      if (running.child.exitCode !== null) throw new Error(`${command} ended:\n${await log()}`)
      return answers(host, port)
    })
  } catch (error) {
    await stop()
    throw error
  }
  const signal = (name: NodeJS.Signals): void => void process.kill(running.pid, name)
  return { port, address: `${host}:${port}`, folder, log, signal, stop }
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
