import type { Stats } from 'node:fs'
import { lstat, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { win32 } from 'node:path'
import { ConfigError, type Environment } from '../../../shared/env.ts'
import { systemCode } from '../../../shared/errors.ts'
import { pathRulesOf } from '../../platform/paths.ts'
import { tried, type Manager } from '../daemon/manager.ts'
import { run, type Run } from '../run.ts'
import { LOCAL_SERVICE, renderTask } from './task.ts'

const TASK = 'Backhaul Agent'
/** By number: their names are other ones in other languages. */
const SYSTEM = '*S-1-5-18'
const ADMINISTRATORS = '*S-1-5-32-544'
const SERVICE = `*${LOCAL_SERVICE}`

/** @param env of this process: ProgramData, ProgramFiles, SystemRoot, PUBLIC */
export function createScheduler({ env, command = run }: { env: Environment; command?: Run }): Manager {
  const { join } = win32
  const config = join(env['ProgramData'] || 'C:\\ProgramData', TASK)
  const state = join(config, 'state')
  const logs = join(config, 'logs')
  // Everybody may make folders where that one lies; here, only administrators.
  const home = join(env['ProgramFiles'] || 'C:\\Program Files', TASK)
  const mark = join(home, 'installed')
  // By their whole path: nobody else's schtasks is to be run by an administrator.
  const system = (name: string): string => join(env['SystemRoot'] || 'C:\\Windows', 'System32', `${name}.exe`)
  const schtasks = (...args: string[]): Promise<string> => command(system('schtasks'), args)
  const icacls = (...args: string[]): Promise<string> => command(system('icacls'), args)

  const stop = async (): Promise<void> => {
    await tried(schtasks('/End', '/TN', TASK))
  }

  const checkFolders = async (): Promise<void> => {
    if (!(await exists(mark)) && (await exists(config))) throw foreign(config)
    for (const folder of [config, state, logs])
      if ((await lookAt(folder))?.isSymbolicLink()) throw new ConfigError([`${folder} is a link; remove it`])
  }

  return {
    name: 'the Task Scheduler',
    platform: 'win32',
    paths: pathRulesOf('win32'),
    folders: {
      config,
      state,
      logs,
      program: join(home, 'backhaul-agent.exe'),
    },
    leavings: [config, home],
    unfit: [`${win32.dirname(env['PUBLIC'] || 'C:\\Users\\Public')}\\`],
    // It lists filters of file systems, for administrators only, and changes nothing.
    mayManage: async () => (await tried(command(system('fltmc'), []))) !== undefined,
    checkFolders,
    async protect() {
      await checkFolders()
      const first = !(await exists(mark))
      await mkdir(config, { recursive: !first })
      // Not of all that lies there (/T): a junction that the service made would lead elsewhere. What is made there inherits.
      await icacls(config, '/setowner', ADMINISTRATORS, '/Q')
      await icacls(config, '/inheritance:r', '/grant:r', ...[SYSTEM, ADMINISTRATORS].map(full), reading(SERVICE), '/Q')
      // Until now, everybody could write in it.
      if (first && (await readdir(config)).length > 0) throw foreign(config)
      await mkdir(home, { recursive: true })
      await writeFile(mark, '')
      for (const folder of [state, logs]) {
        await mkdir(folder, { recursive: true })
        await icacls(folder, '/grant', changing(SERVICE), '/Q')
      }
    },
    async start(wanted) {
      await stop()
      const file = join(config, 'task.xml')
      // In the only encoding that schtasks reads everywhere.
      await writeFile(file, `\ufeff${renderTask(wanted)}`, 'utf16le')
      try {
        await schtasks('/Create', '/TN', TASK, '/XML', file, '/F')
      } finally {
        await rm(file, { force: true })
      }
      await schtasks('/Run', '/TN', TASK)
    },
    stop,
    async remove() {
      await stop()
      await tried(schtasks('/Delete', '/TN', TASK, '/F'))
      await rm(mark, { force: true })
    },
    async state() {
      const text = await tried(schtasks('/Query', '/TN', TASK, '/FO', 'CSV', '/NH'))
      // "\Backhaul Agent","N/A","Running", in the machine's language.
      return text === undefined ? undefined : (/"([^"]*)"\s*$/.exec(text.trim())?.[1] ?? 'unknown')
    },
  }
}

const foreign = (folder: string): ConfigError =>
  new ConfigError([`${folder} was there before the service was: somebody else may have put settings in it. Remove it`])

/** undefined for what is not there. */
async function lookAt(path: string): Promise<Stats | undefined> {
  return lstat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}

const exists = async (path: string): Promise<boolean> => (await lookAt(path)) !== undefined

const full = (who: string): string => `${who}:(OI)(CI)F`
const reading = (who: string): string => `${who}:(OI)(CI)RX`
const changing = (who: string): string => `${who}:(OI)(CI)M`
