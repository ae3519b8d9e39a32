import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { sha256Of, sha256OfFile, writeRandom } from '../helpers/folder.ts'
import { holdUpload } from '../helpers/held.ts'
import { startProxy, type Proxy } from '../helpers/proxy.ts'
import { startStack, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const run = promisify(execFile)
const MiB = 1024 * 1024

// The way of a file, with real processes at both ends.
describe('transfer', () => {
  let stack: Stack
  let proxy: Proxy

  beforeAll(async () => {
    stack = await startStack()
    proxy = await startProxy(stack.url)
  })
  afterAll(async () => {
    await proxy.close()
    await stack.stop()
  })

  /** A client with a file of its own, online. */
  const site = async (id: string, size: number, args: string[] = []) => {
    const file = join(stack.folder, id, 'till export.csv')
    await mkdir(join(stack.folder, id), { recursive: true })
    const sha256 = await writeRandom(file, size)
    const agent = await stack.online(id, ['--file', file, ...args])
    return { id, file, sha256, agent }
  }

  /** A download of a large file, held by the proxy in mid-upload. */
  const held = async (id: string, extra: Record<string, unknown> = {}) => {
    const file = join(stack.folder, `${id}.bin`)
    const sha256 = await writeRandom(file, 48 * MiB)
    const args = ['--file', file, '--server', proxy.url, '--chunk-size', '1MiB']
    const agent = await stack.online(id, args)
    const download = await holdUpload({ stack, proxy }, { clientId: id, ...extra }, 16 * MiB)
    return { file, sha256, agent, args, download }
  }

  test('queued with curl, waited for, and the same file lies in downloads/', async () => {
    const { sha256 } = await site('restaurant_1', 10 * MiB + 17)
    const body = '{"clientId":"restaurant_1"}'
    const { stdout } = await run('curl', [
      '-sS',
      '-X',
      'POST',
      `${stack.url}/downloads`,
      '-H',
      'content-type: application/json',
      '-d',
      body,
    ])
    const { id } = JSON.parse(stdout)
    const done = await stack.reached(id, 'completed')
    expect(done).toMatchObject({
      verified: true,
      sha256,
      size: 10 * MiB + 17,
      bytesReceived: 10 * MiB + 17,
      bytesResent: 0,
      attempt: 1,
      progress: 100,
    })
    expect(basename(done['filePath'])).toBe('restaurant_1_till export.csv')
    expect(done['sourcePath']).toBe(join(stack.folder, 'restaurant_1', 'till export.csv'))
    expect(sha256Of(await stack.stored(done))).toBe(sha256)
    // The second of the same name does not touch the first.
    const second = await stack.reached((await stack.ask({ clientId: 'restaurant_1' }))['id'], 'completed')
    expect(basename(second['filePath'])).toMatch(/^restaurant_1_\d{8}T\d{9}Z_till export\.csv$/)
    // The part goes after the file has its name.
    await until('the parts to be gone', async () => (await stack.parts()).length === 0)
  })

  test('one curl gives the file; what cannot be had has its own status, and curl its exit code', async () => {
    const root = join(stack.folder, 'shared root')
    await mkdir(join(root, 'logs'), { recursive: true })
    const sha256 = await writeRandom(join(root, 'logs', 'a.log'), 300_000)
    await stack.online('rooted', ['--root', root])
    const got = join(stack.folder, 'got')
    const fetchFile = (path: string) =>
      run('curl', ['-sS', '--fail-with-body', '-o', got, `${stack.url}/clients/${path}`])
    for (const path of [
      'logs/a.log',
      `?path=${encodeURIComponent(join(root, 'logs', 'a.log'))}`,
      `${root.replaceAll(' ', '%20')}/logs/a.log`,
    ]) {
      await fetchFile(`rooted/files${path.startsWith('?') ? '' : '/'}${path}`)
      expect(await sha256OfFile(got)).toBe(sha256)
    }
    for (const [path, status, code] of [
      ['rooted/files/logs/b.log', 404, 'not-found'],
      ['rooted/files/..%2f..%2fetc%2fpasswd', 403, 'not-allowed'],
      ['rooted/files//etc/passwd', 403, 'not-allowed'],
      ['rooted/files/logs', 409, 'not-a-file'],
      ['nobody/files/x', 404, 'client-unknown'],
    ] as const) {
      await expect(fetchFile(path)).rejects.toMatchObject({ code: 22 })
      expect(JSON.parse(await readFile(got, 'utf8'))).toMatchObject({ status, code })
    }
  })

  test('three clients at once', async () => {
    const sites = await Promise.all(['at_once_1', 'at_once_2', 'at_once_3'].map((id) => site(id, 9 * MiB)))
    const { downloads } = await stack.ask({ clientIds: sites.map(({ id }) => id) })
    for (const { id, clientId } of downloads) {
      expect(await stack.reached(id, 'completed')).toMatchObject({
        sha256: sites.find((one) => one.id === clientId)?.sha256,
        verified: true,
      })
    }
  })

  test('several jobs of one client at once', async () => {
    const root = join(stack.folder, 'many')
    await mkdir(root)
    const names = Array.from({ length: 12 }, (_, number) => `f${number}`)
    const digests = await Promise.all(names.map((name) => writeRandom(join(root, name), 700_000)))
    await stack.online('many', ['--root', root])
    const ids = await Promise.all(names.map(async (path) => (await stack.ask({ clientId: 'many', path }))['id']))
    const done = await Promise.all(ids.map((id) => stack.reached(id, 'completed')))
    expect(done.map((download) => download['sha256'])).toEqual(digests)
  })

  test("an offline client's job waits, and runs when the agent comes", async () => {
    const { id, file, sha256, agent } = await site('sleeper', 100_000)
    await agent.kill('SIGTERM')
    const asked = await stack.ask({ clientId: id })
    expect(asked['status']).toBe('queued')
    stack.agent(id, ['--file', file])
    expect(await stack.reached(asked['id'], 'completed')).toMatchObject({ sha256 })
  })

  test('cancelled in mid-upload it stops at once, and leaves nothing', async () => {
    const { download, agent } = await held('cancelled')
    await fetch(`${stack.url}/downloads/${download}`, { method: 'DELETE' })
    proxy.allow(Infinity)
    expect(await stack.reached(download, 'cancelled')).toMatchObject({ filePath: null })
    const left = async (): Promise<boolean> => (await stack.parts()).some((name) => name.startsWith(download))
    await until('its part to be gone', async () => !(await left()))
    expect((await stack.files()).filter((name) => name.startsWith('cancelled_'))).toEqual([])
    // The agent is there for the next.
    const next = await stack.ask({ clientId: 'cancelled' })
    await stack.reached(next['id'], 'completed')
    expect(agent.child.exitCode).toBeNull()
  })

  test.each([
    ['empty', 0],
    ['of one byte', 1],
    ['of exactly one chunk', 65_536],
    ['of an exact multiple of the chunk', 65_536 * 5],
    ['of one byte more', 65_536 * 5 + 1],
  ])('a file %s', async (name, size) => {
    const { id, sha256 } = await site(`size_${size}`, size, ['--chunk-size', '64KiB'])
    const done = await stack.reached((await stack.ask({ clientId: id }))['id'], 'completed')
    expect(done).toMatchObject({ size, sha256, verified: true })
    expect(sha256Of(await stack.stored(done))).toBe(sha256)
    expect(name).toBeTruthy()
  })

  test('names with spaces, quotes, other scripts, and 255 bytes', async () => {
    const root = join(stack.folder, 'names')
    await mkdir(root)
    const names = [
      'two words.txt',
      `it's "quoted".txt`,
      'Öl & été.csv',
      '売上 2026.csv',
      '-rf',
      '.hidden',
      'percent %41 + &?#.txt',
      `${'n'.repeat(251)}.bin`,
    ]
    await stack.online('names', ['--root', root])
    for (const name of names) {
      const sha256 = await writeRandom(join(root, name), 1000)
      const asked = await stack.ask({ clientId: 'names', path: name })
      const done = await stack.reached(asked['id'], 'completed')
      expect(done).toMatchObject({ path: name, fileName: name, sha256 })
      expect(sha256Of(await stack.stored(done))).toBe(sha256)
      expect(Buffer.byteLength(basename(done['filePath']))).toBeLessThanOrEqual(200)
      const direct = await fetch(`${stack.url}/clients/names/files/${encodeURIComponent(name)}`)
      expect([direct.status, (await direct.arrayBuffer()).byteLength]).toEqual([200, 1000])
    }
  })

  test('what is not shared, not there, or no file fails with its own reason', async () => {
    const root = join(stack.folder, 'allowed')
    await mkdir(join(root, 'folder'), { recursive: true })
    await writeFile(join(stack.folder, 'secret'), 'secret')
    await symlink(join(stack.folder, 'secret'), join(root, 'link-out'))
    await run('mkfifo', [join(root, 'fifo')])
    await stack.online('strict', ['--root', root, '--file', join(stack.folder, 'not-there')])
    for (const [path, reason] of [
      [undefined, 'not-found'],
      ['missing', 'not-found'],
      ['folder/missing', 'not-found'],
      ['folder', 'not-a-file'],
      ['fifo', 'not-a-file'],
      ['link-out', 'not-allowed'],
      ['../secret', 'not-allowed'],
      ['folder/../../secret', 'not-allowed'],
      [join(stack.folder, 'secret'), 'not-allowed'],
      ['/etc/passwd', 'not-allowed'],
      ['/proc/self/environ', 'not-allowed'],
      ['/dev/zero', 'not-allowed'],
      ['/no/such/thing', 'not-allowed'],
    ] as const) {
      const asked = await stack.ask({ clientId: 'strict', ...(path === undefined ? {} : { path }) })
      expect([path, (await stack.reached(asked['id'], 'failed'))['reason']]).toEqual([path, reason])
    }
  })

  test('two agents with one id: the newest serves, the other says so and does not fight', async () => {
    const first = await site('twin', 50_000)
    const other = join(stack.folder, 'twin2.csv')
    const sha256 = await writeRandom(other, 60_000)
    await stack.online('twin', ['--file', other, '--state-dir', join(stack.folder, 'state', 'twin2')])
    await first.agent.line((line) => Number(line['level']) >= 40 && /another agent/i.test(String(line['msg'])))
    await until('the conflict to be noted', async () => (await stack.get('/clients/twin'))['conflicts'].count > 0)
    for (let round = 0; round < 3; round += 1) {
      const done = await stack.reached((await stack.ask({ clientId: 'twin' }))['id'], 'completed')
      expect(done['sha256']).toBe(sha256)
    }
    expect(first.agent.child.exitCode).toBeNull()
  })

  test('both ends say the SHA-256 that they agree on', async () => {
    const { id, sha256, agent } = await site('digests', 200_000)
    const asked = await stack.ask({ clientId: id })
    await stack.reached(asked['id'], 'completed')
    await stack.server.line((line) => line['sha256'] === sha256 && line['id'] === asked['id'])
    await agent.line((line) => line['sha256'] === sha256)
  })
})
