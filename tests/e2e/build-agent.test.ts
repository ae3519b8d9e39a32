import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect } from '@jest/globals'
import { version } from '../../shared/version.ts'
import { sha256OfFile, temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { lacking } from '../helpers/lacking.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder, startProgram } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)
const long = true

describe('what npm run build:agent makes', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let dist: string
  let stack: Stack
  const x64 = (): string => join(dist, `backhaul-agent-${version}-linux-x64`)

  beforeAll(async () => {
    if (lacking({ long }).length > 0) return
    place = await temporaryFolder()
    await chmod(place.folder, 0o755)
    dist = join(place.folder, 'dist')
    const built = ['run', '-s', 'build:agent', '--', '--to', dist, '--key', join(place.folder, 'release.key')]
    await run('npm', built, { cwd: projectFolder, maxBuffer: 16 * 1024 * 1024 })
    stack = await startStack({ RELEASES: dist, LOG_LEVEL: 'debug' })
  }, 400_000)
  afterAll(async () => {
    await stack?.stop()
    await place?.remove()
  })

  testWith(
    { long, programs: ['curl', 'openssl'] },
    'is fetched by the one line, through a line that breaks, and runs',
    async () => {
      const name = `backhaul-agent-${version}-linux-x64.gz`
      const to = join(place.folder, 'got')
      const proxy = await startProxy(stack.url)
      proxy.slow(20_000_000)
      const line = `curl -fsSL ${proxy.url}/install.sh | sh -s -- --download-only ${to} --platform linux-x64`
      const installing = run('sh', ['-c', line])
      const part = join(to, name)
      await until('a part to be there', async () => ((await stat(part).catch(() => undefined))?.size ?? 0) > 5_000_000)
      proxy.cut()
      proxy.slow(Infinity)
      expect((await installing).stdout).toContain('is as it was signed')
      const found = join(to, `backhaul-agent-${version}-linux-x64`)
      expect(await sha256OfFile(found)).toBe(await sha256OfFile(x64()))
      expect((await run(found, ['--version'])).stdout).toBe(`${version}\n`)
      const answers = stack.server
        .output()
        .split('\n')
        .filter((one) => one.includes(name))
      expect(answers.at(-1)).toContain('206')
      await proxy.close()
    },
  )

  testWith({ long }, 'is an agent, with its thread, and says where it cannot become a service', async () => {
    const file = join(stack.folder, 'report.bin')
    const sha256 = await writeRandom(file, 3_000_000)
    const agent = startProgram(x64(), [
      '--id',
      'single',
      '--server',
      stack.url,
      '--file',
      file,
      '--state-dir',
      join(stack.folder, 'single'),
      '--port',
      'off',
    ])
    await until('it to be online', async () => (await stack.get('/clients/single'))['status'] === 'online')
    const { id } = await stack.ask({ clientId: 'single' })
    expect(await stack.reached(id, 'completed')).toMatchObject({ sha256, verified: true })
    await agent.kill('SIGTERM')
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const service = (...args: string[]) =>
      spawnSync(x64(), ['service', ...args], { ...nobody, cwd: '/', encoding: 'utf8' })
    const { status, stderr } = service('install', '--server', stack.url)
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(existsSync('/run/systemd/system') ? /only root/ : /no systemd/),
    ])
    // Nobody is in the list of users, and this one is not: the user of a service.
    const unlisted = process.getuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : {}
    expect(spawnSync(x64(), ['--version'], { ...unlisted, env: {}, cwd: '/', encoding: 'utf8' }).stdout).toBe(
      `${version}\n`,
    )
    expect(service('install', '--help').stdout).toContain('--read-all')
    expect(service('instal').stderr).toContain('service uninstall')
  })

  testWith({ long, programs: ['dpkg-deb'] }, 'comes as a Debian package with a unit that calls it, too', async () => {
    const deb = join(dist, `backhaul-agent_${version}_amd64.deb`)
    const sums = await readFile(join(dist, 'SHA256SUMS'), 'utf8')
    expect(sums).toContain(`${await sha256OfFile(deb)}  backhaul-agent_${version}_amd64.deb\n`)
    const tree = join(place.folder, 'tree')
    await run('dpkg-deb', ['--extract', deb, tree])
    expect((await run(join(tree, 'usr/bin/backhaul-agent'), ['--version'])).stdout).toBe(`${version}\n`)
    const unit = await readFile(join(tree, 'usr/lib/systemd/system/backhaul-agent.service'), 'utf8')
    expect(unit).toContain('\nExecStart=/usr/bin/backhaul-agent\n')
    const terms = await readFile(join(tree, 'usr/share/doc/backhaul-agent/copyright'), 'utf8')
    for (const name of ['Node.js 24', 'commander ', 'got ', 'pino ', 'zod ']) expect(terms).toContain(`\n${name}`)
  })

  testWith(
    { long },
    'is made for Windows where that is asked for',
    async () => {
      const to = join(place.folder, 'windows')
      const args = ['--to', to, '--key', join(place.folder, 'release.key'), '--platform', 'win-x64']
      await run('npm', ['run', '-s', 'build:agent', '--', ...args], { cwd: projectFolder })
      const made = await readFile(join(to, `backhaul-agent-${version}-win-x64.exe`))
      // An executable of Windows, told that there is a program in it, and the program, as a resource with a name of UTF-16.
      expect(made.toString('latin1', 0, 2)).toBe('MZ')
      expect(made.includes('NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1')).toBe(true)
      expect(made.includes(Buffer.from('NODE_SEA_BLOB', 'utf16le'))).toBe(true)
      expect(made.includes('runs the agent $')).toBe(true)
      const sums = await readFile(join(to, 'SHA256SUMS'), 'utf8')
      expect(sums).toMatch(/win-x64\.exe\.gz\n/)
      expect(sums).not.toContain('.deb')
    },
    200_000,
  )

  const cross = '/usr/aarch64-linux-gnu/lib/libstdc++.so.6'
  testWith({ long, programs: ['qemu-aarch64-static'], path: cross }, 'runs on another processor', async () => {
    const arm64 = join(dist, `backhaul-agent-${version}-linux-arm64`)
    // Under the emulator a program cannot begin itself anew, as agent/malloc.ts does without that variable.
    const env = { PATH: process.env['PATH'], MALLOC_ARENA_MAX: '1' }
    const { stdout } = await run('qemu-aarch64-static', ['-L', '/usr/aarch64-linux-gnu', arm64, '--version'], { env })
    expect(stdout).toBe(`${version}\n`)
  })
})
