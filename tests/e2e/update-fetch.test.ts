import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Outcome } from '../../agent/update/files.ts'
import { version as OWN } from '../../shared/version.ts'
import { diskNeeds, makeDisk } from '../helpers/disk.ts'
import { temporaryFolder, writeRandom } from '../helpers/folder.ts'
import { testWith } from '../helpers/needs.ts'
import type { Running } from '../helpers/process.ts'
import { startProxy } from '../helpers/proxy.ts'
import { makeSigned } from '../helpers/signed.ts'
import { startStack, type Json, type Stack } from '../helpers/stack.ts'
import { until } from '../helpers/until.ts'

const platform = `${process.platform}-${process.arch}`
const MB = 1_000_000

describe("the agent's part of an update", () => {
  let place: Awaited<ReturnType<typeof temporaryFolder>>
  let stack: Stack
  let release: string
  let outcomeFile: string

  beforeAll(async () => {
    place = await temporaryFolder()
    release = join(place.folder, 'release')
    outcomeFile = join(place.folder, 'outcome.json')
    stack = await startStack({ RELEASES: release, LOG_LEVEL: 'debug' })
  })
  afterAll(async () => {
    await stack.stop()
    await place.remove()
  })

  const publish = (version: string, size: number): Promise<string> =>
    makeSigned(release, { version, content: randomBytes(size), keyFile: join(place.folder, 'key'), platform })
  const packed = (version: string): string => `backhaul-agent-${version}-${platform}.gz`
  const start = (id: string, url = stack.url, args: string[] = []): Promise<Running> =>
    stack.online(id, ['--server', url, '--root', place.folder, ...args], { UPDATE_OUTCOME: outcomeFile })
  const staged = (id: string, name: string): string => join(stack.folder, 'state', id, 'update', name)
  const order = async (id: string): Promise<Json> => {
    const { status, body } = await stack.post(`/clients/${id}/update`, {})
    expect(status).toBe(202)
    return body['update']
  }
  const reached = (id: string, state: string): Promise<Json> =>
    until(`the order to be ${state}`, async () => {
      const { update } = await stack.get(`/clients/${id}`)
      return update?.state === state && update
    })
  /** As root's part does. */
  const tell = (outcome: Omit<Outcome, 'at'>): Promise<void> =>
    writeFile(outcomeFile, JSON.stringify({ ...outcome, at: new Date().toISOString() }))

  test('fetches on while jobs go on, from where a line broke, and tells what root says of it', async () => {
    await publish('9.0.0', 4 * MB)
    const line = await startProxy(stack.url)
    const agent = await start('till', line.url)
    line.slow(2 * MB)
    const { id, version } = await order('till')
    expect(version).toBe('9.0.0')
    const part = staged('till', `${packed('9.0.0')}.part`)
    const size = async (): Promise<number> => (await stat(part).catch(() => undefined))?.size ?? 0
    await until('a part to be there', async () => (await size()) > MB / 2)
    expect((await stack.get('/clients/till'))['update']).toMatchObject({ id, state: 'fetching' })
    const before = await size()
    line.cut()
    // The rest of the update takes longer than the job.
    line.slow(MB / 2)
    const sha256 = await writeRandom(join(place.folder, 'report.bin'), MB / 4)
    const job = await stack.ask({ clientId: 'till', path: join(place.folder, 'report.bin') })
    expect(await stack.reached(job['id'], 'completed')).toMatchObject({ sha256 })
    expect(await size()).toBeLessThan(4 * MB)
    line.slow(Infinity)

    await reached('till', 'fetched')
    await until('root to be told', () => readFile(staged('till', 'ready'), 'utf8').catch(() => undefined))
    expect(JSON.parse(await readFile(staged('till', 'ready'), 'utf8'))).toEqual({ id, version: '9.0.0' })
    for (const name of ['SHA256SUMS', 'SHA256SUMS.sig', packed('9.0.0')])
      expect((await readFile(staged('till', name))).equals(await readFile(join(release, name)))).toBe(true)
    const answers = stack.server
      .output()
      .split('\n')
      .filter((one) => one.includes(packed('9.0.0')))
    // Nothing that was there was fetched again.
    expect(answers.length).toBeGreaterThan(4)
    expect(before).toBeGreaterThan(0)
    // One that was cut before it had an answer has none.
    expect(answers.filter((one) => !one.includes('"status":206') && !one.includes('"cut":true'))).toEqual([])

    await tell({ id, version, outcome: 'refused', detail: 'the signature of the release is wrong' })
    expect(await reached('till', 'failed')).toMatchObject({ id, detail: 'the signature of the release is wrong' })
    await until('it to be tidy', async () => !(await readdir(join(stack.folder, 'state', 'till'))).includes('update'))
    await agent.kill('SIGTERM')
    await line.close()
  })

  test('says of bytes that are not those of the list that they are not, and when there is no such file', async () => {
    const agent = await start('other')
    await publish('9.0.1', MB)
    const file = join(release, packed('9.0.1'))
    const bytes = await readFile(file)
    bytes[1000] = (bytes[1000] ?? 0) ^ 1
    await writeFile(file, bytes)
    await order('other')
    expect((await reached('other', 'failed'))['detail']).toContain('is not what its SHA256SUMS says')
    expect(await readdir(join(stack.folder, 'state', 'other'))).not.toContain('report.bin')
    await agent.kill('SIGTERM')
  })

  testWith(diskNeeds, 'says where there is no room for it, and leaves the disk as it was', async () => {
    const disk = await makeDisk({ size: 40 * MB })
    const stateDir = join(disk.folder, 'state')
    const agent = await start('full', stack.url, ['--state-dir', stateDir])
    await publish('9.0.2', 10 * MB)
    await order('full')
    expect((await reached('full', 'failed'))['detail']).toMatch(/no room for the update .* are needed$/)
    expect(agent.child.exitCode).toBe(null)
    const part = join(stateDir, 'update', `${packed('9.0.2')}.part`)
    expect((await stat(part).catch(() => undefined))?.size ?? 0).toBeLessThan(MB)
    await agent.kill('SIGTERM')
    await disk.remove()
  })

  test('tells of a version that began a session, and was taken back all the same; not once it is there after all', async () => {
    const session = (version: string): Promise<unknown> => {
      const agent = { version, platform, hostname: 'x', updates: true }
      const begin = { protocol: 1, clientId: 'back', instance: crypto.randomUUID(), takeover: true, agent, shared: [] }
      return stack.post('/sessions', begin)
    }
    await session('0.0.1')
    await publish('9.0.3', 1000)
    const { id } = await order('back')
    await session('9.0.3')
    await reached('back', 'installed')
    await tell({ id, version: '9.0.3', outcome: 'rolled-back', detail: 'it ended 3 times in a row' })
    const running = await start('back')
    expect(await reached('back', 'failed')).toMatchObject({ id, detail: 'it ended 3 times in a row' })
    await running.kill('SIGTERM')

    // As it is when somebody has run install.sh at the site.
    await session('0.0.1')
    await publish(OWN, 1000)
    const next = (await order('back'))['id']
    await tell({ id: next, version: OWN, outcome: 'rolled-back', detail: 'it ended 3 times in a row' })
    await start('back')
    await writeRandom(join(place.folder, 'after.bin'), 1000)
    const job = await stack.ask({ clientId: 'back', path: join(place.folder, 'after.bin') })
    await stack.reached(job['id'], 'completed')
    expect((await stack.get('/clients/back'))['update']).toMatchObject({ id: next, state: 'installed' })
  })

  test('an agent that nobody updates from here does not say that it can be', async () => {
    await stack.online('plain')
    expect((await stack.get('/clients/plain'))['updates']).toBe(false)
    const off = await stack.online('off', [], { UPDATE_OUTCOME: outcomeFile, UPDATES: 'off' })
    expect((await stack.get('/clients/off'))['updates']).toBe(false)
    expect((await stack.post('/clients/off/update', {})).body).toMatchObject({ code: 'update-unsupported' })
    await off.kill('SIGTERM')
  })
})
