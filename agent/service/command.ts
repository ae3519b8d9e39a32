import { hostname } from 'node:os'
import { existsSync } from 'node:fs'
import { isSea } from 'node:sea'
import { CommanderError } from 'commander'
import { ConfigError, type Environment } from '../../shared/env.ts'
import { messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/format.ts'
import { version } from '../../shared/version.ts'
import { managerOf, runDaemon } from './daemon/command.ts'
import { install } from './install.ts'
import { pathsUnder } from './paths.ts'
import { status } from './status.ts'
import { openSystemd } from './systemd.ts'
import { uninstall } from './uninstall.ts'
import { CONTACT_WITHIN_MS, STAYS_MS, update } from './update/update.ts'

export interface ServiceInput {
  /** What came behind `service`. */
  argv: readonly string[]
  env: Environment
  executable: string
  say: (line: string) => void
  complain: (line: string) => void
}

const usage = `Usage: backhaul-agent service install [FLAGS]   set it up, or change it; --help lists the flags
       backhaul-agent service status           how it is
       backhaul-agent service uninstall        remove it, with its settings and keys
       backhaul-agent service update           install what the agent has fetched; backhaul-agent-update.service runs it`

/**
 * `backhaul-agent service install|status|uninstall|update`.
 * @returns the exit code: 1 when the agent is not connected, is not updated, or something failed, 2 for what was typed wrongly
 */
export async function runService({ argv, env, executable, say, complain }: ServiceInput): Promise<number> {
  const [name = '', ...rest] = argv
  const deps = { paths: pathsUnder('/'), systemd: openSystemd(), env, hostname: hostname(), executable, say }
  try {
    if (name === '--help') {
      say(usage)
      return 0
    }
    if (!['install', 'status', 'uninstall', 'update'].includes(name))
      throw new ConfigError([`${name === '' ? 'what to do' : name} is not known\n${usage}`])
    if (name !== 'install' && rest.length > 0) throw new ConfigError([`${rest[0]} is not known here\n${usage}`])
    const manager = managerOf(process.platform, env)
    if (manager) return await runDaemon(name, rest, { manager, env, hostname: hostname(), say })
    if (!rest.includes('--help')) checkPlace(name)
    if (name === 'install') return (await install(rest, deps)) ? 0 : 1
    if (name === 'update') {
      const platform = `${process.platform}-${process.arch}`
      const times = { withinMs: CONTACT_WITHIN_MS, staysMs: STAYS_MS }
      return (await update({ ...deps, ...times, version, platform })) ? 0 : 1
    }
    if (name === 'status') return (await status(deps)) ? 0 : 1
    await uninstall(deps)
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    const mistakes = error instanceof ConfigError ? error.mistakes : [messageOf(error)]
    for (const mistake of mistakes) for (const line of mistake.split('\n')) complain(printable(line))
    return error instanceof ConfigError ? 2 : 1
  }
}

/** @throws ConfigError where there can be no such service, or nobody may make it */
function checkPlace(name: string): void {
  if (process.platform !== 'linux' || !existsSync('/run/systemd/system'))
    throw new ConfigError([
      'there is no systemd here, and the agent knows no other way to become a service: run it under what starts programs on this machine',
    ])
  if (process.geteuid?.() !== 0) throw new ConfigError([`only root may do this: sudo backhaul-agent service ${name}`])
  if (name === 'install' && !isSea())
    throw new ConfigError([
      'a service is made of the single executable: npm run build:agent, then dist/backhaul-agent service install',
    ])
}
