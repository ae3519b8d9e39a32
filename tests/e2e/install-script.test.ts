import { execFile, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFile, cp, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { openKey, publicKeyOf } from '../../packaging/release.ts'
import { makeAuthority } from '../helpers/certificates.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import { projectFolder } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import { makeRelease, type SmallRelease } from '../helpers/release.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const programs = ['curl', 'openssl', 'dash']

describe('install.sh', () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let release: SmallRelease
  let stack: Stack
  let to: string

  beforeAll(async () => {
    place = await temporaryFolder()
    stack = await startStack({ RELEASES: join(place.folder, 'release'), LOG_LEVEL: 'debug' })
  })
  beforeEach(async () => {
    to = join(place.folder, `got-${randomUUID()}`)
    release = await makeRelease(join(place.folder, 'release'))
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  /** As it is called: fetched from the server, and given to a shell. */
  const install = async (
    args: string[],
    { url = stack.url, curl = [] as string[] } = {},
  ): Promise<{ code: number; said: string }> => {
    const script = join(place.folder, 'install.sh')
    await promisify(execFile)('curl', ['-fsSL', ...curl, '-o', script, `${url}/install.sh`])
    // Not spawnSync: some tests act meanwhile.
    return promisify(execFile)('dash', [script, ...args]).then(
      ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        said: error.stdout + error.stderr,
      }),
    )
  }
  const fetchOnly = (...more: string[]): ReturnType<typeof install> =>
    install(['--download-only', to, '--platform', 'linux-arm64', ...more])
  const got = (): Promise<Buffer> => readFile(join(to, 'backhaul-agent-9.8.7-rc.1-linux-arm64'))

  testWith({ programs }, 'fetches what was signed, checks it, and unpacks it', async () => {
    const { code, said } = await fetchOnly()
    expect([code, said]).toEqual([0, `${to}/backhaul-agent-9.8.7-rc.1-linux-arm64 is as it was signed\n`])
    expect((await got()).equals(release.content)).toBe(true)
    expect((await stat(join(to, 'backhaul-agent-9.8.7-rc.1-linux-arm64'))).mode & 0o777).toBe(0o755)
  })

  testWith({ programs }, 'over TLS, by an authority of its own', async () => {
    const { ca, issue } = makeAuthority(place.folder)
    const { cert, key, pin } = issue()
    const secured = await startStack({ RELEASES: release.folder, TLS_CERT: cert, TLS_KEY: key })
    const from = { url: secured.url, curl: ['--cacert', ca] }
    const trusting = ['--download-only', to, '--platform', 'linux-arm64', '--ca', ca]
    expect((await install([...trusting, `--pin=${pin}`], from)).code).toBe(0)
    const other = await install([...trusting, '--pin', `sha256//${'A'.repeat(43)}=`], from)
    expect([other.code, other.said]).toEqual([1, expect.stringContaining('cannot be fetched')])
    expect((await install(trusting.slice(0, -2), from)).said).toContain('is --ca needed?')
    await secured.stop()
  })

  testWith({ programs }, 'takes nothing that somebody else has signed', async () => {
    const sums = join(release.folder, 'SHA256SUMS')
    const good = await readFile(sums)
    await appendFile(sums, '\n')
    const changed = await fetchOnly()
    expect([changed.code, changed.said]).toEqual([1, expect.stringContaining('the signature of the release is wrong')])
    await writeFile(sums, good)
    await writeFile(join(release.folder, 'SHA256SUMS.sig'), 'AAAA\n')
    expect((await fetchOnly()).said).toContain('the signature of the release is wrong')
    await expect(stat(to)).rejects.toThrow('ENOENT')
    // Another maker's release, and the script of that maker's: whoever was told the key does not take it.
    const key = join(place.folder, 'own.pub')
    await writeFile(key, publicKeyOf(await openKey(join(place.folder, 'own-key'))))
    await makeRelease(release.folder, { keyFile: join(place.folder, 'other-key') })
    expect((await fetchOnly('--release-key', key)).said).toContain('the signature of the release is wrong')
    expect((await fetchOnly()).code).toBe(0)
    await writeFile(key, 'no key\n')
    expect((await fetchOnly('--release-key', key)).said).toContain('holds no public key')
  })

  testWith(
    { programs },
    'takes no bytes but those that were signed, and mends what lies there from another time',
    async () => {
      const file = join(release.folder, release.names[1])
      const packed = await readFile(file)
      await cp(file, `${file}.good`)
      packed[1000] = (packed[1000] ?? 0) ^ 1
      await writeFile(file, packed)
      const { code, said } = await fetchOnly()
      expect([code, said]).toEqual([1, expect.stringContaining('is not what was signed')])
      await expect(got()).rejects.toThrow('ENOENT')
      await writeFile(join(to, release.names[1]), packed.subarray(0, 2000))
      await cp(`${file}.good`, file)
      expect((await fetchOnly()).code).toBe(0)
      expect((await got()).equals(release.content)).toBe(true)
      await truncate(file, 100)
      await writeFile(join(to, release.names[1]), '')
      expect((await fetchOnly()).said).toContain('is not what was signed')
    },
  )

  testWith({ programs }, 'a download that was cut goes on where it ended', async () => {
    const size = 4_000_000
    release = await makeRelease(release.folder, { size })
    const proxy = await startProxy(stack.url)
    const part = join(to, release.names[1])
    proxy.slow(2_000_000)
    const fetching = fetchOnly('--server', proxy.url)
    await until('a part to be there', async () => ((await stat(part).catch(() => undefined))?.size ?? 0) > size / 8)
    proxy.cut()
    proxy.slow(Infinity)
    const { code, said } = await fetching
    expect([code, said]).toEqual([0, expect.stringContaining('the download was cut; going on')])
    expect((await got()).equals(release.content)).toBe(true)
    const answers = stack.server
      .output()
      .split('\n')
      .filter((line) => line.includes(release.names[1]))
    expect(answers.at(-1)).toContain('206')
    await proxy.close()
  })

  testWith({ programs }, 'says what is wrong, and what to do', async () => {
    const said = async (...args: string[]): Promise<string> => {
      const answer = await install(args)
      expect(answer.code).toBe(1)
      return answer.said
    }
    const only = ['--download-only', to]
    expect(await said(...only, '--platform', 'linux-sparc')).toContain('no executable for linux-sparc')
    expect(await said('--platform', 'linux-x64')).toContain('--platform is for --download-only')
    // Of a variable that nobody set: else it would install, or trust another key.
    expect(await said('--download-only', '', ...only)).toContain('an empty value was given to --download-only')
    expect(await said(...only, '--release-key=')).toContain('an empty value was given to --release-key')
    expect(await said(...only, '--root', '')).toContain('an empty value was given')
    expect(await said(...only, '--server')).toContain('--server needs a value')
    expect(await said(...only, '--server', 'hub')).toContain('--server https://HOST')
    expect(await said(...only, '--server', 'http://127.0.0.1:1')).toContain('cannot be fetched')
  })
})

testWith({ programs: ['shellcheck'] }, 'shellcheck has nothing to say of what runs at sites', async () => {
  const folder = join(projectFolder, 'packaging', 'agent')
  const scripts = ['install.sh', 'debian/postinst', 'debian/prerm', 'debian/postrm']
  const { stdout } = await promisify(execFile)(
    'shellcheck',
    scripts.map((script) => join(folder, script)),
  )
  expect(stdout).toBe('')
})

describe('a script that was cut off', () => {
  testWith({ programs: ['dash'] }, 'does nothing, wherever it was cut', async () => {
    const script = await readFile(join(projectFolder, 'packaging', 'agent', 'install.sh'), 'utf8')
    const run = (text: string): string =>
      spawnSync('dash', ['-s', '--', '--help'], { input: text, encoding: 'utf8' }).stdout
    expect(run(script)).toContain('--download-only')
    const lines = [...script.matchAll(/\n/g)].map(({ index }) => index)
    const lastLine = script.trimEnd().lastIndexOf('\n')
    const inTheLast = Array.from({ length: script.trimEnd().length - lastLine }, (_, index) => lastLine + index)
    const cuts = [...lines.slice(0, -1).filter((_, index) => index % 4 === 0), ...inTheLast]
    expect(cuts.length).toBeGreaterThan(80)
    for (const cut of cuts) expect([cut, run(script.slice(0, cut))]).toEqual([cut, ''])
  })

  test('asks for its rights before it does anything', async () => {
    const script = join(projectFolder, 'packaging', 'agent', 'install.sh')
    const asNobody = { uid: 65_534, gid: 65_534 }
    const options = process.getuid?.() === 0 ? asNobody : {}
    const { status, stderr } = spawnSync('sh', ['-s', '--', '--root', '/srv'], {
      ...options,
      cwd: '/',
      input: await readFile(script),
    })
    expect([status, String(stderr)]).toEqual([1, expect.stringContaining('only root may install a service')])
  })
})
