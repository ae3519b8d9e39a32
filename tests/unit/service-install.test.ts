import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { prepare, renderUnit } from '../../agent/service/install.ts'
import { parseInstall } from '../../agent/service/options.ts'
import { pathsUnder, type ServicePaths } from '../../agent/service/paths.ts'
import { uninstall } from '../../agent/service/uninstall.ts'
import { writeFiles } from '../../agent/service/write.ts'
import { openKey, publicKeyOf } from '../../packaging/release.ts'
import { makeAuthority } from '../helpers/certificates.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'

const run = promisify(execFile)
let place: Awaited<ReturnType<typeof temporaryFolder>>
let paths: ServicePaths

beforeEach(async () => {
  place = await temporaryFolder()
  paths = pathsUnder(place.folder)
})
afterEach(() => place.remove())

const text = (path: string): Promise<string> => readFile(path, 'utf8')

/** What `service install` writes, without systemd. */
async function install(
  args: string[],
  env: Record<string, string> = {},
  hostname = 'till-7.example',
  executable = '/opt/backhaul-agent',
): Promise<string[]> {
  const say = (): void => undefined
  const deps = { paths, env, hostname, executable, say }
  const { files } = await prepare(parseInstall(args), deps)
  return (await writeFiles(files)).map((path) => path.slice(place.folder.length))
}

describe('service install', () => {
  test('writes the unit and its settings, and nothing else without being asked', async () => {
    expect(await install(['--server', 'https://hub.example'])).toEqual([
      '/etc/systemd/system/backhaul-agent.service',
      '/etc/backhaul-agent/agent.env',
    ])
    expect(await text(paths.unit)).toContain('\nExecStart=/opt/backhaul-agent\n')
    const env = await text(paths.env)
    expect(env).toContain('\nCLIENT_ID=till-7.example\n')
    expect(env).toContain('\nSERVER_URL=https://hub.example\n')
    expect((await stat(paths.env)).mode & 0o777).toBe(0o600)
  })

  test('run again, it changes what is named and keeps everything else', async () => {
    const labels = 'note=it"s $5 \\ `x`,region=west'
    await install(['--server', 'https://hub.example', '--id', 'one', '--root', '/srv/a', '--root', '/home/ann/b 100%'])
    await writeFile(paths.env, `# by hand\nLOG_LEVEL='debug'\n${await text(paths.env)}`)
    await chmod(paths.env, 0o640)
    const label = labels.split(',').flatMap((one) => ['--label', one])
    const changed = await install([...label, '--limit', 'mon-fri 08:00-22:00 2mbit, else unlimited', '--read-all'])
    expect(changed).toEqual([
      '/etc/backhaul-agent/agent.env',
      '/etc/systemd/system/backhaul-agent.service.d/read-all.conf',
    ])
    expect((await stat(paths.env)).mode & 0o777).toBe(0o600)
    // As a shell reads it, whose rules systemd's are here.
    const { stdout } = await run('sh', [
      '-ac',
      `. "$1"; printf '%s\\n' "$CLIENT_ID" "$LABELS" "$LIMIT" "$LOG_LEVEL"`,
      'sh',
      paths.env,
    ])
    expect(stdout.split('\n')).toEqual(['one', labels, 'mon-fri 08:00-22:00 2mbit, else unlimited', 'debug', ''])
    expect(await text(paths.env)).toContain('# by hand\n')
    expect(await install(['--server', 'https://hub.example', '--id', 'one'])).toEqual([])
    expect(await install(['--no-read-all'])).toEqual(['/etc/systemd/system/backhaul-agent.service.d/read-all.conf'])
  })

  test('roots are a drop-in that shows what the sandbox hides, and are kept and replaced as a whole', async () => {
    const conf = join(paths.dropIns, 'roots.conf')
    await install([
      '--server',
      'https://hub.example',
      '--root',
      '/srv/a',
      '--root',
      '/home/ann/b 100%"',
      '--root',
      '/tmp/x',
    ])
    const written = (await text(conf)).split('\n').slice(1)
    expect(written).toEqual([
      '[Service]',
      'Environment="ROOTS=/srv/a:/home/ann/b 100%%\\":/tmp/x"',
      'ProtectHome=tmpfs',
      'BindReadOnlyPaths="-/home/ann/b 100%%\\""',
      'BindReadOnlyPaths="-/tmp/x"',
      '',
    ])
    expect(await install(['--id', 'two'])).toEqual(['/etc/backhaul-agent/agent.env'])
    await install(['--root', '/var/log/pos'])
    expect((await text(conf)).split('\n').slice(1)).toEqual(['[Service]', 'Environment="ROOTS=/var/log/pos"', ''])
    // Written by hand into the settings, they would win over the drop-in.
    await writeFile(paths.env, `ROOTS=/srv/by:/srv/hand\n${await text(paths.env)}`)
    await install([])
    expect(await text(conf)).toContain('"ROOTS=/srv/by:/srv/hand"')
    expect(await text(paths.env)).not.toContain('ROOTS')
  })

  test('a token lies where only root reads it, and systemd hands it to the agent', async () => {
    const file = join(place.folder, 'token')
    await writeFile(file, 'bhe_secret\n')
    await install(['--server', 'https://hub.example', '--enrol-file', file, '--group', 'adm', '--group', 'pos'])
    expect(await text(paths.enrolToken)).toBe('bhe_secret\n')
    expect((await stat(paths.enrolToken)).mode & 0o777).toBe(0o600)
    expect(await text(paths.unit)).toContain(`LoadCredential=enrol-token:/etc/backhaul-agent/enrol-token\n`)
    expect(await text(paths.env)).not.toContain('bhe_secret')
    expect(await text(join(paths.dropIns, 'groups.conf'))).toContain('=adm\nSupplementaryGroups=pos\n')
    expect(await install(['--group', 'adm'])).toEqual(['/etc/systemd/system/backhaul-agent.service.d/groups.conf'])
    expect(await install(['--no-group'])).toEqual(['/etc/systemd/system/backhaul-agent.service.d/groups.conf'])
  })

  testWith(
    { programs: ['openssl'] },
    'what the service reads by itself lies where it gets in, whatever the mask of who installs it',
    async () => {
      const { ca } = makeAuthority(place.folder)
      const mask = process.umask(0o077)
      try {
        await install(['--server', 'https://hub.example', '--ca', ca])
      } finally {
        process.umask(mask)
      }
      expect((await stat(paths.config)).mode & 0o777).toBe(0o755)
      expect((await stat(join(paths.config, 'ca.pem'))).mode & 0o777).toBe(0o644)
    },
  )

  test("the way out of whoever installs it is the agent's, too", async () => {
    await install(['--server', 'https://hub.example'], { HTTPS_PROXY: 'http://proxy.example:3128', HOME: '/root' })
    expect(await text(paths.env)).toContain('\nHTTPS_PROXY=http://proxy.example:3128\n')
    expect(await text(paths.env)).not.toContain('HOME')
  })

  test('the unit of a package is left alone', async () => {
    const [packaged = ''] = paths.packagedUnits
    await mkdir(dirname(packaged), { recursive: true })
    await writeFile(packaged, '[Service]\n')
    expect(await install(['--server', 'https://hub.example'])).toEqual(['/etc/backhaul-agent/agent.env'])
  })

  test('what install.sh installed takes updates that its key has signed, until the site wants none', async () => {
    const key = join(place.folder, 'key.pub')
    await writeFile(key, publicKeyOf(await openKey(join(place.folder, 'key'))))
    const executable = join(paths.update.library, 'backhaul-agent-0.2.0')
    for (const folder of [paths.update.library, dirname(paths.update.command)]) await mkdir(folder, { recursive: true })
    await writeFile(executable, '')
    await symlink(executable, paths.update.command)
    const byScript = (...args: string[]): Promise<string[]> =>
      install(['--server', 'https://hub.example', ...args], {}, 'till', executable)
    const units = [
      '/etc/systemd/system/backhaul-agent-update.path',
      '/etc/systemd/system/backhaul-agent-update.service',
      '/etc/systemd/system/backhaul-agent.service.d/updates.conf',
    ]
    expect((await byScript('--release-key', key)).slice(2)).toEqual(['/etc/backhaul-agent/release.pub', ...units])
    expect(await text(paths.update.key)).toBe(await text(key))
    expect(await text(join(paths.dropIns, 'updates.conf'))).toContain(`=UPDATE_OUTCOME=${paths.update.outcome}\n`)
    expect(await byScript()).toEqual([])

    expect(await byScript('--no-updates')).toEqual(['/etc/backhaul-agent/agent.env', ...units])
    await expect(stat(paths.update.pathUnit)).rejects.toThrow('ENOENT')
    // What a site does not want, the next run of the script does not bring.
    expect(await byScript('--release-key', key)).toEqual([])
    expect(await byScript('--updates')).toEqual(['/etc/backhaul-agent/agent.env', ...units])
    // By hand from elsewhere: there is nothing that root's part could swap.
    expect(await install([])).toEqual(['/etc/systemd/system/backhaul-agent.service', ...units])

    await expect(install(['--release-key', key])).rejects.toThrow('only what install.sh installed is updated')
    await writeFile(key, 'no key')
    await expect(byScript('--release-key', key)).rejects.toThrow('no Ed25519 key')
    await writeFile(key, await text(join(place.folder, 'key')))
    await mkdir(dirname(paths.packagedUnits[0]!), { recursive: true })
    await writeFile(paths.packagedUnits[0]!, '[Service]\n')
    await expect(byScript('--release-key', key)).rejects.toThrow('came as a package')
  })

  test.each([
    [[], '--server (SERVER_URL) is missing'],
    [['--server', 'hub'], '--server (SERVER_URL) must be a URL'],
    [['--server', 'https://h', '--id', 'a b'], '--id (CLIENT_ID)'],
    [['--server', 'https://h', '--root', '/a:b'], 'cannot hold a colon'],
    [['--server', 'https://h', '--deny', '/srv/a:b/**'], '--deny "/srv/a:b/**" cannot hold a colon'],
    [['--server', 'https://h', '--allow', '/srv/a:b/**'], '--allow "/srv/a:b/**" cannot hold a colon'],
    [['--server', 'https://h', '--label', 'note=a,b=c'], '--label "note=a,b=c" cannot hold a comma'],
    [['--server', 'https://h', '--root'], '--root needs a value'],
    [['--server', 'https://h', '--enrol-file', '/nowhere'], '--enrol-file (ENROL_FILE) cannot be used'],
    [['--server', 'https://h', '--state-dir', '/x'], '--state-dir cannot be chosen'],
    [['--server', 'https://h', '--limit', 'fast'], '--limit (LIMIT)'],
    [['--server', 'https://h', '--sample'], '--sample is not known'],
    [['--server', 'https://h', '--group'], '--group needs a value'],
  ])('%j is refused before anything is written', async (args, why) => {
    await expect(install(args)).rejects.toThrow(why)
    await expect(stat(join(place.folder, 'etc'))).rejects.toThrow('ENOENT')
  })

  test('a name that is no id is made one, or asked for', async () => {
    await install(['--server', 'https://hub.example'], {}, '-Käsetheke 3.local')
    expect(await text(paths.env)).toContain('\nCLIENT_ID=K-setheke-3.local\n')
    await expect(install(['--server', 'https://hub.example', '--id', ''], {}, '---')).rejects.toThrow('--id')
  })
})

testWith(
  { programs: ['openssl'] },
  'uninstalled beside a package, whose settings stay, it leaves no secret',
  async () => {
    const [packaged = ''] = paths.packagedUnits
    await mkdir(dirname(packaged), { recursive: true })
    await writeFile(packaged, '[Service]\n')
    const { cert, key } = makeAuthority(place.folder).issue()
    await install(['--server', 'https://hub.example', '--cert', cert, '--key', key])
    expect(await text(join(paths.config, 'client.key'))).toBe(await text(key))
    const said: string[] = []
    const none = () => Promise.reject(new Error('nothing is asked here'))
    const systemd = { control: async () => undefined, state: none, lines: none }
    await uninstall({ paths, systemd, say: (line) => void said.push(line) })
    expect(said.join()).toContain('its keys are removed')
    expect(await readdir(paths.config)).toEqual(['agent.env', 'client.pem'])
  },
)

testWith(
  { programs: ['systemd-analyze'] },
  'systemd-analyze verify has nothing to say of unit and drop-ins',
  async () => {
    const file = join(place.folder, 'token')
    await writeFile(file, 'bhe_secret\n')
    await install([
      '--server',
      'https://hub.example',
      '--root',
      '/home/a b',
      '--group',
      'adm',
      '--read-all',
      '--enrol-file',
      file,
    ])
    await writeFile(paths.unit, renderUnit('/bin/true'))
    expect(await run('systemd-analyze', ['verify', '--man=no', paths.unit])).toEqual({ stdout: '', stderr: '' })
  },
)
