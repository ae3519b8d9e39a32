import { constants } from 'node:fs'
import { chmod, mkdir, open, readdir, rm } from 'node:fs/promises'
import { posix } from 'node:path'
import { ConfigError } from '../../../shared/env.ts'
import { replaceFile } from '../../../shared/replace-file.ts'
import { pause } from '../../../shared/wait.ts'
import { pathRulesOf } from '../../platform/paths.ts'
import { tried, type Manager } from '../daemon/manager.ts'
import { run, type Run } from '../run.ts'
import { renderPlist } from './plist.ts'

const LABEL = 'backhaul-agent'
const TARGET = `system/${LABEL}`
/** Names of such users begin so on macOS, and their numbers lie in this range. */
const USER = '_backhaul'
const [FIRST_UID, LAST_UID] = [250, 400]
/** launchd ends what it was told to end a while after it says so; in ms. */
const AGAIN_MS = 500
const TRIES = 20

/** @param root another place than `/`, for tests */
export function createLaunchd({ root = '/', command = run }: { root?: string; command?: Run } = {}): Manager {
  const at = (path: string): string => posix.join(root, path)
  const config = at('/Library/Application Support/Backhaul Agent')
  const logs = at('/Library/Logs/Backhaul Agent')
  const plist = at(`/Library/LaunchDaemons/${LABEL}.plist`)
  const state = posix.join(config, 'state')

  const bootout = async (): Promise<void> => {
    await tried(command('launchctl', ['bootout', TARGET]))
  }

  const bootstrap = async (): Promise<void> => {
    for (let left = TRIES; left > 0; left -= 1) {
      if ((await tried(command('launchctl', ['bootstrap', 'system', plist]))) !== undefined) return
      await pause(AGAIN_MS)
    }
    await command('launchctl', ['bootstrap', 'system', plist])
  }

  return {
    name: 'launchd',
    platform: 'darwin',
    paths: pathRulesOf('darwin'),
    folders: { config, state, logs, program: at('/usr/local/libexec/backhaul-agent') },
    leavings: [config, logs, at('/usr/local/libexec/backhaul-agent')],
    unfit: ['/Users/', '/private/tmp/', '/tmp/', '/Volumes/'],
    mayManage: async () => process.geteuid?.() === 0,
    // Only administrators write where they lie.
    checkFolders: async () => undefined,
    async protect() {
      if ((await tried(command('dscl', ['.', '-read', `/Users/${USER}`, 'UniqueID']))) === undefined) {
        const uid = freeUid(await command('dscl', ['.', '-list', '/Users', 'UniqueID']))
        await command('sysadminctl', ['-addUser', USER, '-UID', String(uid), '-roleAccount'])
      }
      // sysadminctl says nothing of a failure.
      const uid = uidOf(await command('dscl', ['.', '-read', `/Users/${USER}`, 'UniqueID']))
      for (const folder of [config, state, logs]) await mkdir(folder, { recursive: true, mode: 0o700 })
      const written = (await readdir(config)).map((name) => posix.join(config, name))
      for (const path of [...written, config, logs]) await give(path, uid)
    },
    async start(wanted) {
      await bootout()
      await mkdir(posix.dirname(plist), { recursive: true })
      const errors = posix.join(logs, 'errors.log')
      await replaceFile(plist, renderPlist({ label: LABEL, user: USER, errors, command: wanted }))
      await chmod(plist, 0o644)
      // What was disabled by hand is meant to run again.
      await command('launchctl', ['enable', TARGET])
      await bootstrap()
    },
    stop: bootout,
    async remove() {
      await bootout()
      await rm(plist, { force: true })
      await tried(command('dscl', ['.', '-delete', `/Users/${USER}`]))
    },
    async state() {
      const text = await tried(command('launchctl', ['print', TARGET]))
      return text === undefined ? undefined : (/^\s*state = (.+)$/m.exec(text)?.[1] ?? 'unknown')
    },
  }
}

/** @param text as `dscl . -read … UniqueID` prints it */
function uidOf(text: string): number {
  const uid = /^UniqueID:\s*(\d+)\s*$/m.exec(text)?.[1]
  if (uid === undefined) throw new Error(`dscl tells no number of the user ${USER}, but ${JSON.stringify(text)}`)
  return Number(uid)
}

/**
 * Makes the service's user the owner. That user may write in these folders: a link, or a second name of a file of somebody
 * else, that was put there is not given away.
 */
async function give(path: string, uid: number): Promise<void> {
  const opened = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await opened.stat()
    if (!stats.isDirectory() && !(stats.isFile() && stats.nlink === 1))
      throw new ConfigError([`${path} is no file of the service; remove it`])
    await opened.chown(uid, stats.gid)
    await opened.chmod(stats.isDirectory() ? 0o700 : 0o600)
  } finally {
    await opened.close()
  }
}

/** A number that no user has. @param list as `dscl . -list /Users UniqueID` prints it */
export function freeUid(list: string): number {
  const taken = new Set([...list.matchAll(/(-?\d+)\s*$/gm)].map(([, uid]) => Number(uid)))
  for (let uid = FIRST_UID; uid < LAST_UID; uid += 1) if (!taken.has(uid)) return uid
  throw new Error(`there is no number for the user ${USER}: all from ${FIRST_UID} to ${LAST_UID} are taken`)
}
