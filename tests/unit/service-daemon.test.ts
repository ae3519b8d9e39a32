import { link, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { array, assert, constantFrom, property, string } from 'fast-check'
import { ConfigError } from '../../shared/env.ts'
import { planDaemon } from '../../agent/service/daemon/install.ts'
import type { Run } from '../../agent/service/run.ts'
import { parseDaemonInstall } from '../../agent/service/daemon/options.ts'
import { uninstall } from '../../agent/service/daemon/uninstall.ts'
import { readVariables } from '../../agent/service/env-file.ts'
import { createLaunchd, freeUid } from '../../agent/service/launchd/manager.ts'
import { renderPlist } from '../../agent/service/launchd/plist.ts'
import { createScheduler } from '../../agent/service/windows/manager.ts'
import { quote, renderTask } from '../../agent/service/windows/task.ts'
import { pathRulesOf } from '../../agent/platform/paths.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'

// Neither launchd nor the Task Scheduler is here: what is told them is looked at, and the files that they read.
let folder: string
let remove: () => Promise<void>
beforeEach(async () => {
  ;({ folder, remove } = await temporaryFolder())
})
afterEach(() => remove())

const command = { file: '/opt/a & b/agent', args: ['--settings', '/x/"y" <z>'], folder: '/opt/a & b' }

const parsed = (program: string, args: string[], input: string | Buffer): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}

describe('launchd', () => {
  const plist = renderPlist({ label: 'backhaul-agent', user: '_backhaul', errors: '/Library/Logs/e.log', command })

  testWith({ programs: ['python3'] }, 'reads the daemon as it is meant', async () => {
    const script = 'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))'
    expect(JSON.parse(parsed('python3', ['-c', script], plist))).toEqual({
      Label: 'backhaul-agent',
      ProgramArguments: [command.file, ...command.args],
      WorkingDirectory: command.folder,
      UserName: '_backhaul',
      KeepAlive: true,
      RunAtLoad: true,
      ThrottleInterval: 10,
      ProcessType: 'Background',
      LowPriorityIO: true,
      ExitTimeOut: 10,
      Umask: 63,
      StandardErrorPath: '/Library/Logs/e.log',
    })
  })

  testWith({ programs: ['plistutil'] }, 'so does the library of another hand', async () => {
    expect(parsed('plistutil', ['-i', '-', '-o', '-', '-f', 'bin'], plist)).toMatch(/^bplist00/)
  })

  test('is told by its own commands, and forgets everything', async () => {
    const told: string[][] = []
    const users = new Set<string>()
    const recorded: Run = async (file, args) => {
      told.push([file, ...args])
      if (file === 'sysadminctl') users.add('_backhaul')
      if (file === 'dscl' && args.includes('-list')) return 'root 0\n_a 250\n_b   251\nnobody -2\n'
      if (file === 'dscl' && args.includes('-read') && !users.has('_backhaul')) throw new Error('eDSRecordNotFound')
      if (file === 'dscl' && args.includes('-read')) return `UniqueID: ${process.getuid?.()}\n`
      return args[0] === 'print' ? 'system/backhaul-agent = {\n\tstate = running\n}' : ''
    }
    const manager = createLaunchd({ root: folder, command: recorded })
    const { config, logs, state } = manager.folders
    await manager.protect()
    for (const path of [config, logs, state]) expect((await stat(path)).mode & 0o777).toBe(0o700)
    await manager.start(command)
    const path = join(folder, 'Library/LaunchDaemons/backhaul-agent.plist')
    expect(await readFile(path, 'utf8')).toContain('<string>/opt/a &amp; b/agent</string>')
    // launchd takes none that others may write.
    expect((await stat(path)).mode & 0o777).toBe(0o644)
    expect(await manager.state()).toBe('running')
    expect(told).toEqual([
      ['dscl', '.', '-read', '/Users/_backhaul', 'UniqueID'],
      ['dscl', '.', '-list', '/Users', 'UniqueID'],
      ['sysadminctl', '-addUser', '_backhaul', '-UID', '252', '-roleAccount'],
      ['dscl', '.', '-read', '/Users/_backhaul', 'UniqueID'],
      ['launchctl', 'bootout', 'system/backhaul-agent'],
      ['launchctl', 'enable', 'system/backhaul-agent'],
      ['launchctl', 'bootstrap', 'system', path],
      ['launchctl', 'print', 'system/backhaul-agent'],
    ])
    await uninstall({ manager, executable: '/opt/node', say: () => undefined })
    for (const gone of [path, config, logs]) await expect(stat(gone)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(told.at(-1)).toEqual(['dscl', '.', '-delete', '/Users/_backhaul'])
    expect(() => freeUid(Array.from({ length: 150 }, (_, index) => `u ${250 + index}`).join('\n'))).toThrow('taken')
  })
})

test('what the service put into its folders is given to nobody', async () => {
  const recorded: Run = async () => `UniqueID: ${process.getuid?.()}\n`
  const manager = createLaunchd({ root: folder, command: recorded })
  await manager.protect()
  const foreign = join(folder, 'sudoers')
  const planted = join(manager.folders.config, 'agent.env')
  await writeFile(foreign, 'root ALL', { mode: 0o440 })
  await link(foreign, planted)
  await expect(manager.protect()).rejects.toThrow('is no file of the service')
  await rm(planted)
  await symlink(foreign, planted)
  await expect(manager.protect()).rejects.toMatchObject({ code: 'ELOOP' })
  expect((await stat(foreign)).mode & 0o777).toBe(0o440)
  await rm(planted)
  await writeFile(planted, '', { mode: 0o644 })
  await manager.protect()
  expect((await stat(planted)).mode & 0o777).toBe(0o600)
})

describe('the Task Scheduler', () => {
  testWith({ programs: ['xmllint'] }, 'reads the task as it is meant', async () => {
    const text = `\ufeff${renderTask({ file: 'C:\\A & B\\agent.exe', args: ['--settings', 'C:\\P D\\agent.env'], folder: 'C:\\A & B' })}`
    const of = (name: string): string =>
      parsed('xmllint', ['--xpath', `string(//*[local-name()="${name}"])`, '-'], Buffer.from(text, 'utf16le')).trim()
    expect(['Command', 'Arguments', 'WorkingDirectory', 'UserId', 'ExecutionTimeLimit'].map(of)).toEqual([
      'C:\\A & B\\agent.exe',
      '--settings "C:\\P D\\agent.env"',
      'C:\\A & B',
      'S-1-5-19',
      'PT0S',
    ])
  })

  test('arguments come out as they went in', () => {
    const argument = string({ unit: constantFrom('a', ' ', '"', '\\', '\t', 'ü') })
    assert(
      property(array(argument, { maxLength: 4 }), (args) => expect(split(args.map(quote).join(' '))).toEqual(args)),
    )
  })

  test('is told by its own commands, with paths and numbers that no language changes', async () => {
    const told: string[][] = []
    const recorded: Run = async (file, args) => {
      told.push([file, ...args])
      return '"\\Backhaul Agent","N/A","Wird ausgef\u00fchrt"\r\n'
    }
    const manager = createScheduler({
      env: { ProgramData: 'C:\\P', SystemRoot: 'C:\\Windows' },
      command: recorded,
    })
    expect(manager.unfit).toEqual(['C:\\Users\\'])
    expect(await manager.state()).toBe('Wird ausgef\u00fchrt')
    await manager.remove()
    const schtasks = 'C:\\Windows\\System32\\schtasks.exe'
    expect(told).toEqual([
      [schtasks, '/Query', '/TN', 'Backhaul Agent', '/FO', 'CSV', '/NH'],
      [schtasks, '/End', '/TN', 'Backhaul Agent'],
      [schtasks, '/Delete', '/TN', 'Backhaul Agent', '/F'],
    ])
  })
})

describe('what service install writes', () => {
  const deps = (program = { file: '/opt/node', args: ['/opt/backhaul/agent/main.ts'], folder: '/opt/backhaul' }) => ({
    manager: createLaunchd({ root: folder }),
    env: { HTTPS_PROXY: 'http://proxy:3128' },
    hostname: "Ann's Mac.local",
    program,
    copied: false,
  })
  const plan = (argv: string[], given = deps()) =>
    planDaemon(parseDaemonInstall(argv, given.manager.name, given.manager.paths), given)

  test('are settings, and the files that were named', async () => {
    const token = join(folder, 'token')
    await writeFile(token, 'bhe_given\n')
    const argv = [
      '--server',
      'https://b.example',
      '--enrol-file',
      token,
      '--root',
      '/srv/b',
      '--root',
      '/srv/a',
      '--deny',
      '*.key',
    ]
    const { clientId, server, files, settings } = await plan(argv)
    expect({ clientId, server }).toEqual({ clientId: 'Ann-s-Mac.local', server: 'https://b.example' })
    const { config, state, logs } = deps().manager.folders
    expect(files.map(({ path }) => path)).toEqual([join(config, 'enrol-token'), settings])
    expect(readVariables(files.at(-1)?.text ?? '')).toEqual({
      HTTPS_PROXY: 'http://proxy:3128',
      SERVER_URL: 'https://b.example',
      CLIENT_ID: 'Ann-s-Mac.local',
      ROOTS: '/srv/b:/srv/a',
      DENY: '*.key',
      ENROL_FILE: join(config, 'enrol-token'),
      STATE_DIR: state,
      LOG_FILE: join(logs, 'agent.log'),
    })
  })

  test('keeps what it is not told of', async () => {
    const { config } = deps().manager.folders
    await mkdir(config, { recursive: true })
    await writeFile(join(config, 'agent.env'), '# mine\nSERVER_URL=https://old.example\nROOTS=/srv\nCLIENT_ID=till\n')
    const { files, clientId } = await plan(['--server', 'https://new.example'])
    expect(clientId).toBe('till')
    expect(files.at(-1)?.text).toMatch(/^# mine\nSERVER_URL=https:\/\/new\.example\nROOTS=\/srv\nCLIENT_ID=till\n/)
  })

  test.each([
    [['--root', '/srv'], '--server (SERVER_URL) is missing'],
    [['--server', 'ftp://x'], 'must be a URL'],
    [['--server', 'http://x', '--group', 'adm'], '--group is not known here'],
    [['--server', 'http://x', '--state-dir', '/x', '--settings', '/y'], '--settings cannot be chosen'],
    [['--server', 'http://x', '--root'], '--root needs a value'],
    [['--server', 'http://x', '--root', '/a:b'], 'cannot hold a :'],
    [['--server', 'http://x', '--enrol-file', '/not/there'], '--enrol-file cannot be read'],
    [['--server', 'http://x', '--deny', 'a//b'], 'must not be empty'],
  ])('nothing for %j', async (argv, mistake) => {
    const error = await Promise.resolve()
      .then(() => plan(argv))
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConfigError)
    expect((error as Error).message).toContain(mistake)
  })

  test('nothing where the service could not read the program', async () => {
    const program = { file: '/Users/ann/node', args: ['main.ts'], folder: '/opt/backhaul' }
    await expect(plan(['--server', 'http://x'], deps(program))).rejects.toThrow('/Users/')
  })
})

/** As Windows takes a command line apart for programs (CommandLineToArgvW). */
function split(line: string): string[] {
  const found: string[] = []
  let current: string | undefined
  let quoted = false
  for (let at = 0; at < line.length; at += 1) {
    const [slashes = ''] = /^\\*(?=")/.exec(line.slice(at)) ?? []
    if (line[at + slashes.length] === '"') {
      at += slashes.length
      current = (current ?? '') + '\\'.repeat(slashes.length / 2)
      if (slashes.length % 2 === 1) current += '"'
      else quoted = !quoted
    } else if (!quoted && /[ \t]/.test(line[at] ?? '')) {
      if (current !== undefined) found.push(current)
      current = undefined
    } else current = (current ?? '') + line[at]
  }
  return current === undefined ? found : [...found, current]
}

test('a drive is no list of folders on Windows', () => {
  const { variables } = parseDaemonInstall(['--root', 'C:\\Data', '--root', 'D:/x'], 'it', pathRulesOf('win32'))
  expect(variables['ROOTS']).toBe('C:\\Data;D:\\x')
  expect(() => parseDaemonInstall(['--root', 'C:\\a;b'], 'it', pathRulesOf('win32'))).toThrow('cannot hold a ;')
})
