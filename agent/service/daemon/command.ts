import { isSea } from 'node:sea'
import { ConfigError, type Environment } from '../../../shared/env.ts'
import { createLaunchd } from '../launchd/manager.ts'
import { createScheduler } from '../windows/manager.ts'
import { install } from './install.ts'
import type { Command, Manager } from './manager.ts'
import { status } from './status.ts'
import { uninstall } from './uninstall.ts'

export interface DaemonDeps {
  manager: Manager
  env: Environment
  hostname: string
  say: (line: string) => void
}

/** What starts services where there is no systemd; undefined where nothing else is known. */
export function managerOf(platform: NodeJS.Platform, env: Environment): Manager | undefined {
  if (platform === 'darwin') return createLaunchd()
  return platform === 'win32' ? createScheduler({ env }) : undefined
}

/** @returns the exit code, as of `runService` @throws ConfigError, CommanderError, Error */
export async function runDaemon(name: string, argv: readonly string[], deps: DaemonDeps): Promise<number> {
  if (!argv.includes('--help')) await checkRights(deps)
  if (name === 'status') return (await status(deps)) ? 0 : 1
  if (name === 'install') return (await install(argv, { ...deps, program: ownProgram(), copied: isSea() })) ? 0 : 1
  await uninstall({ ...deps, executable: process.execPath })
  return 0
}

/** This program as it was started, without what it was told. */
function ownProgram(): Command {
  const { execPath, execArgv, argv } = process
  const script = isSea() ? [] : [...execArgv, argv[1] ?? '']
  return { file: execPath, args: script, folder: process.cwd() }
}

/** @throws ConfigError for who may not do this */
async function checkRights({ manager }: DaemonDeps): Promise<void> {
  if (!(await manager.mayManage()))
    throw new ConfigError([
      manager.platform === 'win32'
        ? 'only an administrator may do this: open a terminal by "Run as administrator"'
        : 'only root may do this: put sudo in front of it',
    ])
}
