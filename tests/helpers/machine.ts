import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { run } from './commands.ts'
import { administratorsPath } from './lacking.ts'
import { until } from './until.ts'

/** What a test needs that boots a machine. */
export const machineNeeds = {
  root: true,
  long: true,
  programs: ['debootstrap', 'systemd-nspawn', 'nsenter', 'mount'],
  probe: 'unshare --mount --pid --fork mount -t tmpfs tmpfs /mnt',
} as const

/** A Debian of its own with a real systemd and without Node, in a container; it shares this machine's network. */
export interface Machine {
  /** Runs a command in it. @throws Error with what it said when it fails */
  run(command: string, ...args: string[]): Promise<string>
  /** What a command prints, whether it succeeds or not. */
  ask(command: string, ...args: string[]): Promise<string>
  /** Copies a file of ours into it. */
  give(from: string, to: string): Promise<void>
  /** Writes a file in it, with its folder. */
  write(path: string, text: string): Promise<void>
  read(path: string): Promise<string>
  /** What of a name is left anywhere: files, units, users; nothing when it has gone. The journal may keep its words. */
  leftOf(name: string): Promise<string>
  exists(path: string): boolean
  reboot(): Promise<void>
  /** As a power cut does: nothing is stopped in order; then it boots again. */
  cutPower(): Promise<void>
  /** Stops it and removes what it wrote. */
  stop(): Promise<void>
}

/** Overlays need a real disk below them, which /tmp need not be. Made once, it is kept: it takes a minute. */
const BASE = '/var/tmp/backhaul-machine-1'
const PACKAGES = 'systemd,systemd-sysv,dbus,curl,ca-certificates,openssl'
const BOOT_MS = 120_000

export async function startMachine(): Promise<Machine> {
  await makeBase()
  const place = await mkdtemp('/var/tmp/backhaul-test-machine-')
  const [root, upper, work] = [join(place, 'root'), join(place, 'upper'), join(place, 'work')]
  for (const folder of [root, upper, work]) await mkdir(folder)
  await run('mount', '-t', 'overlay', 'overlay', '-o', `lowerdir=${BASE},upperdir=${upper},workdir=${work}`, root)

  let container: ChildProcess
  let leader = 0

  const inside = (command: string, ...args: string[]): Promise<string> =>
    run('nsenter', '-t', String(leader), '-a', command, ...args)
  const ask = (command: string, ...args: string[]): Promise<string> =>
    inside(command, ...args).catch((error: { stdout?: string }) => error.stdout ?? '')

  const boot = async (): Promise<void> => {
    container = spawn('systemd-nspawn', ['-D', root, '--register=no', '--keep-unit', '--boot', '--quiet'], {
      stdio: 'ignore',
      env: { PATH: administratorsPath, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    })
    await until(
      'the machine to boot',
      async () => {
        leader = await childOf(container)
        return leader !== 0 && /running|degraded/.test(await ask('systemctl', 'is-system-running'))
      },
      BOOT_MS,
    )
  }
  const running = (): boolean => container.exitCode === null && container.signalCode === null
  /** Waits for the end of the container: it ends at a reboot, too, for whoever started it to start it again. */
  const ended = async (): Promise<void> => {
    if (running()) await once(container, 'exit')
  }
  const kill = async (): Promise<void> => {
    if (running()) process.kill(leader === 0 ? container.pid! : leader, 'SIGKILL')
    await ended()
  }
  await boot()

  return {
    run: inside,
    ask,
    give: (from, to) => cp(from, join(root, to)),
    async write(path, text) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text)
    },
    async leftOf(name) {
      const files = await inside('find', '/', '-xdev', '-iname', `*${name}*`)
      const units = await ask('systemctl', 'list-units', '--all', '--no-legend', '--plain', `*${name}*`)
      return [files, units, await ask('grep', name, '/etc/passwd', '/etc/group')].join('')
    },
    read: (path) => readFile(join(root, path), 'utf8'),
    exists: (path) => existsSync(join(root, path)),
    async reboot() {
      await ask('systemctl', 'reboot')
      await ended()
      await boot()
    },
    async cutPower() {
      await kill()
      await boot()
    },
    async stop() {
      await kill()
      await run('umount', root)
      await rm(place, { recursive: true })
    },
  }
}

async function makeBase(): Promise<void> {
  if (existsSync(BASE)) return
  const part = await mkdtemp(`${BASE}-`)
  await run('debootstrap', '--variant=minbase', `--include=${PACKAGES}`, 'bookworm', part)
  await rename(part, BASE)
}

/** The first process in the container; 0 while there is none. */
async function childOf({ pid = 0 }: ChildProcess): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
  return Number(children.trim().split(' ')[0] ?? 0)
}
